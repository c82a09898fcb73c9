using Ambient.Mesh;
using Ambient.Node.Telemetry.AccessLogs;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>The expressions of <c>accessLogging.filter</c> that are supported.</summary>
public sealed class AccessLogFilterTests
{
    [Theory]
    [InlineData("response.code >= 400", false)]
    [InlineData("response.code == 200", true)]
    [InlineData("response.code != 200", false)]
    [InlineData("response.code < 300 && request.method == 'GET'", true)]
    [InlineData("response.code >= 500 || request.headers['user-agent'].startsWith(\"curl\")", true)]
    [InlineData("!(request.url_path == '/reviews/1')", false)]
    [InlineData("request.url_path.contains('views') && request.path.endsWith('?a=b')", true)]
    [InlineData("has(request.headers['x-none'])", false)]
    [InlineData("has(response.grpc_status) || response.grpc_status > 0", false)]
    [InlineData("request.headers['x-none'] != 'a'", true)]
    [InlineData("request.size > 10 && response.size <= 345", true)]
    [InlineData("xds.cluster_name == 'inbound-vip|9080|http|reviews.default.svc.cluster.local'", true)]
    [InlineData("true && !false", true)]
    [InlineData("connection.mtls", false)]
    [InlineData("connection.mtls == false && response.code >= 200", true)]
    [InlineData("response.code >= 400 || connection.mtls != true", true)]
    public void Expression_TakesWhatItSays(string expression, bool takes) => Assert.Equal(takes, AccessLogFilter.Of(expression).Takes(AccessLogTemplateTests.Entry()));

    [Theory]
    [InlineData("response.code >= ", "ends too early")]
    [InlineData("response.code + 1 == 2", "is not supported here")]
    [InlineData("response.codes == 2", "\"response.codes\" is not an attribute")]
    [InlineData("request.method == 'GET", "does not end")]
    [InlineData("request.path.matches('a')", "is not supported here")]
    [InlineData("(response.code == 1", "ends too early")]
    [InlineData("response.code == 1 )", "is not supported here")]
    [InlineData("", "ends too early")]
    public void Expression_ThatIsNotSupported_SaysWhere(string expression, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => AccessLogFilter.Of(expression)).Message, StringComparison.Ordinal);

    [Fact]
    public void Expression_OfManyBrackets_IsRefused_NotAStackOverflow()
    {
        Assert.Throws<FormatException>(() => AccessLogFilter.Of(new string('(', 100_000)));
        Assert.Throws<FormatException>(() => AccessLogFilter.Of(new string('!', 100_000)));

        // What is joined is asked one within the other.
        Assert.Throws<FormatException>(() => AccessLogFilter.Of(string.Join("||", Enumerable.Repeat("true", 200_000))));
        Assert.False(AccessLogFilter.Of([.. Enumerable.Repeat(new AccessLogCondition { LowestStatus = 200 }, 200_000), new AccessLogCondition { Flags = ["NR"] }])!.Takes(AccessLogTemplateTests.Entry()));
    }
}
