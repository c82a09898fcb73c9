using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Tests.Routing.Requests;

public sealed class RetryDecisionTests
{
    [Theory]
    [InlineData(RetryConditions.ServerError, 500, null, true)]
    [InlineData(RetryConditions.ServerError, 499, null, false)]
    [InlineData(RetryConditions.GatewayError, 503, null, true)]
    [InlineData(RetryConditions.GatewayError, 500, null, false)]
    [InlineData(RetryConditions.Conflict, 409, null, true)]
    [InlineData(RetryConditions.ConnectFailure, 503, null, false)]
    [InlineData(RetryConditions.GrpcUnavailable, 200, 14, true)]
    [InlineData(RetryConditions.GrpcUnavailable, 200, 4, false)]
    [InlineData(RetryConditions.GrpcDeadlineExceeded | RetryConditions.GrpcUnavailable, 200, 4, true)]
    [InlineData(RetryConditions.ServerError, 200, 14, false)]
    public void Answer_IsTriedAgain_AsTheConditionsSay(RetryConditions conditions, int status, int? grpc, bool expected) =>
        Assert.Equal(expected, RetryDecision.OnAnswer(new RetryRule { Conditions = conditions }, status, grpc));

    [Fact]
    public void Status_ThatIsNamed_IsTriedAgain()
    {
        var rule = new RetryRule { Conditions = RetryConditions.None, StatusCodes = [404] };

        Assert.True(RetryDecision.OnAnswer(rule, 404, null));
        Assert.False(RetryDecision.OnAnswer(rule, 500, null));
        Assert.False(RetryDecision.OnFailure(rule, RetryConditions.ConnectFailure));
    }

    [Theory]
    [InlineData(RetryConditions.ConnectFailure, RetryConditions.ConnectFailure, true)]
    [InlineData(RetryConditions.ConnectFailure, RetryConditions.Reset, false)]
    [InlineData(RetryConditions.ServerError, RetryConditions.Reset, true)]
    [InlineData(RetryConditions.ServerError, RetryConditions.ConnectFailure, true)]
    [InlineData(RetryConditions.Reset, RetryConditions.ResetBeforeRequest, true)]
    [InlineData(RetryConditions.ResetBeforeRequest, RetryConditions.Reset, false)]
    public void Failure_IsTriedAgain_AsTheConditionsSay(RetryConditions conditions, RetryConditions failure, bool expected) =>
        Assert.Equal(expected, RetryDecision.OnFailure(new RetryRule { Conditions = conditions }, failure));

    [Fact]
    public void Body_IsKept_OnlyWhereItMayBeNeededAgain()
    {
        Assert.False(RetryDecision.MayFollowBody(RetryRule.Default with { Conditions = RetryConditions.ConnectFailure }, isGrpc: false));
        Assert.True(RetryDecision.MayFollowBody(RetryRule.Default, isGrpc: true));
        Assert.True(RetryDecision.MayFollowBody(RetryRule.Default with { StatusCodes = [503] }, isGrpc: false));
        Assert.False(RetryDecision.MayFollowBody(RetryRule.Default with { StatusCodes = [503], Attempts = 0 }, isGrpc: false));
    }
}
