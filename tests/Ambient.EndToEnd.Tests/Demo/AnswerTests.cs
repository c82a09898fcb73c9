using System.Net;
using System.Net.Sockets;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.EndToEnd.Tests.Demo;

public class AnswerTests
{
    private const string WholePage =
        "<title>Simple Bookstore App</title> <dt>ISBN-13</dt> <p>Reviews served by: <u>reviews-v2-0</u></p>";

    [Fact]
    public void IsProductPage_OfWholePage_NamesTheServingPod()
    {
        var answer = new Answer(HttpStatusCode.OK, WholePage, null, TimeSpan.Zero);

        Assert.True(answer.IsProductPage);
        Assert.Equal("reviews-v2-0", answer.ReviewsServedBy);
    }

    [Theory]
    [InlineData(HttpStatusCode.OK, "<title>Simple Bookstore App</title> <dt>ISBN-13</dt> Product reviews are unavailable")]
    [InlineData(HttpStatusCode.OK, "<title>Simple Bookstore App</title> Reviews served by: <u>reviews-v2-0</u>")]
    [InlineData(HttpStatusCode.OK, "RBAC: access denied")]
    [InlineData(HttpStatusCode.ServiceUnavailable, WholePage)]
    public void IsProductPage_OfAnythingLess_IsFalse(HttpStatusCode status, string body) =>
        Assert.False(new Answer(status, body, null, TimeSpan.Zero).IsProductPage);

    [Fact]
    public void From_ResetDeepInside_IsReset()
    {
        var failure = new HttpRequestException("sending", new IOException("reading", new SocketException((int)SocketError.ConnectionReset)));

        Assert.True(Answer.From(failure, TimeSpan.Zero).IsReset);
        Assert.True(Answer.From(new SocketException((int)SocketError.NotConnected), TimeSpan.Zero).IsReset);
        Assert.False(Answer.From(new HttpRequestException(HttpRequestError.ResponseEnded, "ended"), TimeSpan.Zero).IsReset);
        Assert.False(Answer.From(new HttpRequestException("refused", new SocketException((int)SocketError.ConnectionRefused)), TimeSpan.Zero).IsReset);
    }

    [Theory]
    [InlineData(56, "* Connected to x\ncurl: (56) Recv failure: Connection reset by peer", true)]
    [InlineData(7, "* connect to 10.0.0.1 port 9080 failed: Connection reset by peer\ncurl: (7) Failed to connect to x port 9080", true)]
    [InlineData(7, "* connect to 10.0.0.1 port 9080 failed: Connection refused\ncurl: (7) Failed to connect to x port 9080", false)]
    [InlineData(52, "* Connected to x\ncurl: (52) Empty reply from server", false)]
    public void Curl_WhoseConnectionWasReset_SaysSo(int exitCode, string said, bool reset)
    {
        var answer = CurlPodClient.Read(exitCode, "\n000", said, TimeSpan.Zero);

        Assert.Equal(reset, answer.IsReset);
        Assert.StartsWith("curl: (", answer.Describe(), StringComparison.Ordinal);
        Assert.DoesNotContain("*", answer.Describe(), StringComparison.Ordinal);
    }
}
