using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>What came back for one request: an answer, or the way the connection ended without one.</summary>
/// <param name="Status">Status, or null without an answer.</param>
/// <param name="Body">Body.</param>
/// <param name="Ending">How it ended when there is no answer.</param>
/// <param name="Elapsed">From the first byte sent to the last byte read.</param>
internal sealed partial record Answer(HttpStatusCode? Status, string Body, string? Ending, TimeSpan Elapsed)
{
    /// <summary>Whether the connection was reset: refused by a proxy that does not say why to the caller.</summary>
    public bool IsReset { get; private init; }

    /// <summary>The pod that served the reviews on a product page, or null when there are none on it.</summary>
    public string? ReviewsServedBy => ServedBy().Match(Body) is { Success: true } match ? match.Groups[1].Value : null;

    /// <summary>Whether this is a whole product page: its title, its details and its reviews.</summary>
    public bool IsProductPage =>
        Status == HttpStatusCode.OK
        && Body.Contains("<title>Simple Bookstore App</title>", StringComparison.Ordinal)
        && Body.Contains("ISBN-13", StringComparison.Ordinal)
        && ReviewsServedBy is not null;

    /// <summary>One line for the report.</summary>
    public string Describe()
    {
        var time = $"{Elapsed.TotalMilliseconds:F0} ms";
        if (Status is not { } status)
        {
            return $"{Ending} ({time})";
        }

        var what = ReviewsServedBy is { } pod ? $"\"Simple Bookstore App\", reviews served by {pod}" : FirstLine(Body);
        return $"{(int)status} {(what.Length == 0 ? "without a body" : what)} ({time})";
    }

    /// <summary>A connection that ended without an answer, in the words of who had it.</summary>
    public static Answer Broken(string ending, bool reset, TimeSpan elapsed) => new(null, "", ending, elapsed) { IsReset = reset };

    /// <summary>An exception of the HTTP client, in words.</summary>
    public static Answer From(Exception failure, TimeSpan elapsed)
    {
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            // A reset that is there before HttpClient has looked at its new connection shows as "not connected": it asks
            // for the peer's address, and a reset connection has none. An orderly close never shows like this.
            if (cause is SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.NotConnected })
            {
                return new(null, "", "connection reset by peer", elapsed) { IsReset = true };
            }
        }

        return new(null, "", failure switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } => "connection closed without an answer",
            TaskCanceledException => "no answer in time",
            _ => failure.GetBaseException().Message,
        }, elapsed);
    }

    private static string FirstLine(string body)
    {
        var line = body.AsSpan().Trim();
        var end = line.IndexOfAny('\r', '\n');
        return (end < 0 ? line : line[..end]) is { Length: > 100 } longer ? $"{longer[..100]}..." : (end < 0 ? line : line[..end]).ToString();
    }

    [GeneratedRegex("Reviews served by:\\s*<u>([^<]+)</u>")]
    private static partial Regex ServedBy();
}
