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
}
