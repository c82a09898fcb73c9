using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>Plain curl, run in the pod's network namespace, with no proxy setting at all: what catches it is the redirection.</summary>
/// <param name="name">Name of the client's workload.</param>
/// <param name="ns">Its network namespace.</param>
internal sealed class CurlPodClient(string name, string ns) : PodClient(name)
{
    private const int ConnectFailed = 7;
    private const int ReceiveFailed = 56;
    private static readonly string[] s_proxySettings = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

    public override string Command(HttpMethod method, string url) => $"ip netns exec {ns} curl {MethodOf(method)}{url}";

    public override async Task<Answer> SendAsync(HttpMethod method, string url, CancellationToken cancellation, string? token = null)
    {
        var start = new ProcessStartInfo(
            "ip", ["netns", "exec", ns, "curl", "-q", "-sS", "-v", "--max-time", "30", "-X", method.Method, .. token is null ? [] : new[] { "-H", $"Authorization: Bearer {token}" }, "-w", "\n%{http_code}", url])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var setting in s_proxySettings)
        {
            start.Environment.Remove(setting);
        }

        var started = Stopwatch.GetTimestamp();
        using var curl = Process.Start(start)!;
        var output = curl.StandardOutput.ReadToEndAsync(cancellation);
        var error = curl.StandardError.ReadToEndAsync(cancellation);
        try
        {
            await curl.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            curl.Kill();
            throw;
        }

        return Read(curl.ExitCode, await output, (await error).Trim(), Stopwatch.GetElapsedTime(started));
    }

    /// <summary>
    /// What curl said, as an answer. A refusal can be so quick that connecting itself fails: why it did only the verbose lines tell, and nobody
    /// listening is no refusal.
    /// </summary>
    public static Answer Read(int exitCode, string output, string error, TimeSpan elapsed)
    {
        var end = output.LastIndexOf('\n');
        return exitCode == 0 && end >= 0 && int.TryParse(output.AsSpan(end + 1), CultureInfo.InvariantCulture, out var status)
            ? new Answer((HttpStatusCode)status, output[..end], null, elapsed)
            : Answer.Broken(
                error.Split('\n').LastOrDefault(line => line.StartsWith("curl: ", StringComparison.Ordinal)) ?? $"curl ended with {exitCode}",
                exitCode is ConnectFailed or ReceiveFailed && error.Contains("reset by peer", StringComparison.Ordinal),
                elapsed);
    }

    public override void Dispose()
    {
    }
}
