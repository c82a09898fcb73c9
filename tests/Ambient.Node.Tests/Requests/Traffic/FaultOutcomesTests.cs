using Ambient.Hbone.Messages;
using Ambient.Mesh;
using Ambient.Node.Requests.Forwarding;

namespace Ambient.Node.Tests.Requests.Traffic;

/// <summary>What a fault of a message means: status, flag, and whether the request is sent again.</summary>
public sealed class FaultOutcomesTests
{
    private const RetryConditions Every = (RetryConditions)~0;
    private const RetryConditions Usual = RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.GrpcUnavailable | RetryConditions.GrpcCancelled;
    private const string Failed = "upstream connect error or disconnect/reset before headers";

    public static TheoryData<MessageFault, int, string, string> AnswersOfUpstream => new()
    {
        { MessageFault.NotConnected, 503, Failed, "UF" },
        { MessageFault.Refused, 503, Failed, "UR" },
        { MessageFault.ClosedUnanswered, 503, Failed, "UC" },
        { MessageFault.Closed, 503, Failed, "UC" },
        { MessageFault.Reset, 503, Failed, "UR" },
        { MessageFault.Malformed, 502, Failed, "UPE" },
        { MessageFault.TooLarge, 502, Failed, "UPE" },
        { MessageFault.TimedOut, 504, "upstream request timeout", "UT" },
        { MessageFault.ClientGone, 0, "", "DC" },
        { MessageFault.Aborted, 500, "", "LR" },
        { MessageFault.Unsupported, 503, Failed, "UC" },
    };

    [Theory]
    [MemberData(nameof(AnswersOfUpstream))]
    public void OfUpstream_EachFault_HasItsStatusAndFlag(MessageFault fault, int status, string body, string flags) =>
        Assert.Equal((status, body, flags), FaultOutcomes.OfUpstream(fault));

    [Fact]
    public void AnswersOfUpstream_OfEveryFault_AreTold() =>
        Assert.Equal(Enum.GetValues<MessageFault>().Where(fault => fault != MessageFault.None), AnswersOfUpstream.Select(row => (MessageFault)row[0]).Order());

    [Theory]
    [InlineData(true, 504)]
    [InlineData(false, 408)]
    public void OfStall_IsTheEndpointsOrTheClients(bool isWhole, int status) => Assert.Equal((status, "stream timeout", "SI"), FaultOutcomes.OfStall(isWhole));

    [Theory]
    [InlineData(MessageFault.Malformed, "DPE")]
    [InlineData(MessageFault.TooLarge, "DPE")]
    [InlineData(MessageFault.TimedOut, "SI")]
    [InlineData(MessageFault.Aborted, "LR")]
    [InlineData(MessageFault.ClientGone, "DC")]
    [InlineData(MessageFault.Closed, "DC")]
    [InlineData(MessageFault.ClosedUnanswered, "DC")]
    [InlineData(MessageFault.Reset, "DC")]
    public void OfClient_EachFault_HasItsFlag(MessageFault fault, string flags) => Assert.Equal(flags, FaultOutcomes.OfClient(fault));

    [Theory]
    [InlineData(MessageFault.NotConnected, Usual, "Elsewhere")]
    [InlineData(MessageFault.NotConnected, RetryConditions.ServerError, "Elsewhere")]
    [InlineData(MessageFault.NotConnected, RetryConditions.ResetBeforeRequest, "No")]
    [InlineData(MessageFault.NotConnected, RetryConditions.None, "No")]
    [InlineData(MessageFault.Refused, RetryConditions.None, "OnNewConnection")]
    [InlineData(MessageFault.ClosedUnanswered, Usual, "No")]
    [InlineData(MessageFault.ClosedUnanswered, RetryConditions.Reset, "Elsewhere")]
    [InlineData(MessageFault.ClosedUnanswered, RetryConditions.ResetBeforeRequest, "No")]
    [InlineData(MessageFault.Closed, Usual, "No")]
    [InlineData(MessageFault.Closed, RetryConditions.GatewayError, "Elsewhere")]
    [InlineData(MessageFault.Reset, Usual, "No")]
    [InlineData(MessageFault.Reset, RetryConditions.Reset, "Elsewhere")]
    [InlineData(MessageFault.TimedOut, Usual, "No")]
    [InlineData(MessageFault.TimedOut, RetryConditions.ServerError, "Elsewhere")]
    [InlineData(MessageFault.Malformed, Every, "No")]
    [InlineData(MessageFault.TooLarge, Every, "No")]
    [InlineData(MessageFault.ClientGone, Every, "No")]
    [InlineData(MessageFault.Aborted, Every, "No")]
    [InlineData(MessageFault.Unsupported, Every, "No")]
    public void RetryOf_WhatWasSentOnAFirstConnection_IsAsTheRuleSays(MessageFault fault, RetryConditions conditions, string expected) =>
        Assert.Equal(expected, RetryOf(conditions, fault, hasSent: fault != MessageFault.NotConnected, wasReused: false, "POST", bodyIsLost: false));

    [Theory]
    [InlineData(MessageFault.ClosedUnanswered)]
    [InlineData(MessageFault.Closed)]
    [InlineData(MessageFault.Reset)]
    [InlineData(MessageFault.TimedOut)]
    public void RetryOf_WhatWasNotSent_IsElsewhere_WhereTheRuleSaysBeforeRequest(MessageFault fault)
    {
        Assert.Equal("Elsewhere", RetryOf(RetryConditions.ResetBeforeRequest, fault, hasSent: false, wasReused: false, "POST", bodyIsLost: false));
        Assert.Equal("No", RetryOf(Usual, fault, hasSent: false, wasReused: false, "POST", bodyIsLost: false));
    }

    /// <summary>RFC 9110 section 9.2.2 has which methods may be repeated; RFC 9112 section 9.3.1 when.</summary>
    [Theory]
    [InlineData("GET", true)]
    [InlineData("HEAD", true)]
    [InlineData("OPTIONS", true)]
    [InlineData("PUT", true)]
    [InlineData("DELETE", true)]
    [InlineData("TRACE", true)]
    [InlineData("POST", false)]
    [InlineData("PATCH", false)]
    [InlineData("CONNECT", false)]
    [InlineData("get", false)]
    public void RetryOf_AConnectionClosedWhileIdle_IsANewOne_WhereNothingWasSentOrTheMethodMayBeRepeated(string method, bool mayRepeat)
    {
        Assert.Equal("OnNewConnection", RetryOf(RetryConditions.None, MessageFault.ClosedUnanswered, hasSent: false, wasReused: true, method, bodyIsLost: false));
        Assert.Equal(mayRepeat ? "OnNewConnection" : "No", RetryOf(RetryConditions.None, MessageFault.ClosedUnanswered, hasSent: true, wasReused: true, method, bodyIsLost: false));
        Assert.Equal(mayRepeat ? "OnNewConnection" : "Elsewhere", RetryOf(RetryConditions.Reset, MessageFault.ClosedUnanswered, hasSent: true, wasReused: true, method, bodyIsLost: false));

        // An answer had begun, or the endpoint had the connection for this request alone: that is no idle connection.
        Assert.Equal("No", RetryOf(RetryConditions.None, MessageFault.Closed, hasSent: true, wasReused: true, method, bodyIsLost: false));
        Assert.Equal("No", RetryOf(RetryConditions.None, MessageFault.ClosedUnanswered, hasSent: true, wasReused: false, method, bodyIsLost: false));
    }

    /// <summary>What is not kept cannot be sent again. Where there was no connection nothing was taken for it.</summary>
    [Theory]
    [InlineData(MessageFault.Refused, "No")]
    [InlineData(MessageFault.ClosedUnanswered, "No")]
    [InlineData(MessageFault.Closed, "No")]
    [InlineData(MessageFault.Reset, "No")]
    [InlineData(MessageFault.TimedOut, "No")]
    [InlineData(MessageFault.NotConnected, "Elsewhere")]
    public void RetryOf_ALostBody_IsNone(MessageFault fault, string expected) =>
        Assert.Equal(expected, RetryOf(Every, fault, hasSent: false, wasReused: true, "GET", bodyIsLost: true));

    private static string RetryOf(RetryConditions conditions, MessageFault fault, bool hasSent, bool wasReused, string method, bool bodyIsLost) =>
        FaultOutcomes.RetryOf(new RetryRule { Conditions = conditions }, fault, hasSent, wasReused, method, bodyIsLost).ToString();
}
