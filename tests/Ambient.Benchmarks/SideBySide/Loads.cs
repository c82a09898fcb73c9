using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>The load generators, all run in the client's namespace, and how to read what they print.</summary>
internal sealed partial class Loads(string ns, int seconds, CancellationToken cancellationToken)
{
    private string Seconds => seconds.ToString(CultureInfo.InvariantCulture);

    /// <summary>Bytes received and bits/s, from one iperf3 run.</summary>
    internal async Task<(double Bytes, double BitsPerSecond)> ThroughputAsync(string host, int port, int connections)
    {
        var text = await ClientAsync("iperf3", "-c", host, "-p", Text(port), "-P", Text(connections), "-t", Seconds, "-J");
        using var json = JsonDocument.Parse(text);
        var sum = json.RootElement.GetProperty("end").GetProperty("sum_received");
        return (sum.GetProperty("bytes").GetDouble(), sum.GetProperty("bits_per_second").GetDouble());
    }

    /// <summary>Keep-alive requests with wrk, one thread.</summary>
    internal async Task<RequestFigures> RequestsAsync(string url, int connections, params string[] headers)
    {
        var text = await ClientAsync(["wrk", "-t1", $"-c{connections}", $"-d{seconds}s", "--latency", .. headers.SelectMany(header => (string[])["-H", header]), url]);
        var errors = ErrorLine().Match(text).Value;
        return new RequestFigures(
            Number(Total().Match(text)),
            Number(Rate().Match(text)),
            Microseconds(Median().Match(text)),
            Microseconds(NinetyNinth().Match(text)),
            errors);
    }

    /// <summary>One connection a request with ab (HTTP/1.0, so the server closes): connections/s, and how many failed.</summary>
    internal async Task<(double PerSecond, double Failed)> ConnectionsAsync(string url, int concurrency, int? requests = null)
    {
        var amount = requests is { } n ? (string[])["-n", Text(n)] : ["-t", Seconds, "-n", "1000000"];
        var text = await ClientAsync(["ab", "-q", "-r", .. amount, "-c", Text(concurrency), url]);
        return (Number(AbRate().Match(text)), Number(AbFailed().Match(text)));
    }

    /// <summary>Requests with h2load, one at a time on each connection.</summary>
    /// <param name="url">Where to.</param>
    /// <param name="connections">Connections.</param>
    /// <param name="more">Its further options: the protocol, headers, a body.</param>
    internal Task<(double Total, double PerSecond)> H2LoadAsync(string url, int connections, params string[] more) => H2LoadAsync(Seconds, url, connections, more);

    /// <summary>The same for one second, where several loads take short turns: what else the machine does then meets all of them.</summary>
    internal Task<(double Total, double PerSecond)> H2LoadSecondAsync(string url, int connections, params string[] more) => H2LoadAsync("1", url, connections, more);

    private async Task<(double Total, double PerSecond)> H2LoadAsync(string seconds, string url, int connections, string[] more)
    {
        var text = await ClientAsync(["h2load", "-D", seconds, "-c", Text(connections), "-m", "1", .. more, url]);
        var failed = Number(H2Failed().Match(text));
        return failed == 0
            ? (Number(H2Done().Match(text)), Number(H2Rate().Match(text)))
            : throw new InvalidOperationException($"h2load {string.Join(' ', more)} {url}: {failed} requests failed");
    }

    /// <summary>HTTP/1.1 requests at an even rate with h2load: how many were answered, and how many failed.</summary>
    internal async Task<(double Total, double Failed)> EvenAsync(string url, int connections, int perSecond, int duration)
    {
        var text = await Shell.RunAsync(
            TimeSpan.FromSeconds(duration + 60),
            cancellationToken,
            ["ip", "netns", "exec", ns, "h2load", "--h1", "-D", Text(duration), "-c", Text(connections), "-m", "1", "--rps", Text(perSecond / connections), url]);
        return (Number(H2Done().Match(text)), Number(H2Failed().Match(text)));
    }

    /// <summary>A fixed number of connections, one request each, with ab.</summary>
    internal async Task<StormFigures> StormAsync(string url, int concurrency, int connections)
    {
        var text = await Shell.RunAsync(
            TimeSpan.FromMinutes(3), cancellationToken, ["ip", "netns", "exec", ns, "ab", "-q", "-r", "-s", "60", "-n", Text(connections), "-c", Text(concurrency), url]);
        return new StormFigures(Number(AbRate().Match(text)), Number(AbFailed().Match(text)), Number(AbNinetyNinth().Match(text)) * 1e3);
    }

    /// <summary>Bytes/s of one download.</summary>
    internal async Task<double> DownloadAsync(string url)
    {
        var text = await ClientAsync("curl", "-s", "-f", "-o", "/dev/null", "-w", "%{speed_download}", url);
        return double.Parse(text, CultureInfo.InvariantCulture);
    }

    private Task<string> ClientAsync(params string[] command) =>
        Shell.RunAsync(TimeSpan.FromSeconds(seconds + 60), cancellationToken, ["ip", "netns", "exec", ns, .. command]);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static double Number(Match match) =>
        match.Success ? double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : throw new InvalidOperationException("a load generator printed no figure where one was expected");

    private static double Microseconds(Match match) => Number(match) * match.Groups[2].Value switch
    {
        "us" => 1,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        var unit => throw new InvalidOperationException($"unit {unit} in what wrk printed"),
    };

    [GeneratedRegex(@"(\d+) requests in")]
    private static partial Regex Total();

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Rate();

    [GeneratedRegex(@"50%\s+([\d.]+)(us|ms|s|m)")]
    private static partial Regex Median();

    [GeneratedRegex(@"99%\s+([\d.]+)(us|ms|s|m)")]
    private static partial Regex NinetyNinth();

    [GeneratedRegex(@"(Socket errors|Non-2xx).*")]
    private static partial Regex ErrorLine();

    [GeneratedRegex(@"Requests per second:\s+([\d.]+)")]
    private static partial Regex AbRate();

    [GeneratedRegex(@"99%\s+(\d+)")]
    private static partial Regex AbNinetyNinth();

    [GeneratedRegex(@"finished in [\d.]+m?s, ([\d.]+) req/s")]
    private static partial Regex H2Rate();

    [GeneratedRegex(@"(\d+) succeeded")]
    private static partial Regex H2Done();

    [GeneratedRegex(@"(\d+) failed, \d+ errored")]
    private static partial Regex H2Failed();

    [GeneratedRegex(@"Failed requests:\s+(\d+)")]
    private static partial Regex AbFailed();
}

/// <summary>What wrk measured.</summary>
/// <param name="Total">Requests answered.</param>
/// <param name="PerSecond">Requests/s.</param>
/// <param name="P50">Median latency in microseconds.</param>
/// <param name="P99">99th percentile in microseconds.</param>
/// <param name="Errors">Its line of errors, or empty.</param>
internal sealed record RequestFigures(double Total, double PerSecond, double P50, double P99, string Errors);

/// <summary>What ab measured of a fixed number of connections.</summary>
/// <param name="PerSecond">Connections/s.</param>
/// <param name="Failed">Those that were not answered in full.</param>
/// <param name="P99">99th percentile of a connection's time in microseconds.</param>
internal sealed record StormFigures(double PerSecond, double Failed, double P99);
