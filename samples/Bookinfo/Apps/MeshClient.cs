using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Ambient.Samples.Bookinfo;

/// <summary>Calls other services by name, through the pod's own ztunnel: its door, or the redirection of the pod's network.</summary>
internal sealed class MeshClient : IDisposable
{
    // Tracing and identity of the end user travel with the call, as in any mesh: proxies cannot join the two sides.
    private static readonly string[] s_forwarded =
        ["x-request-id", "traceparent", "tracestate", "b3", "end-user", "user-agent", "authorization"];

    private readonly HttpClient _client;

    public MeshClient(Pod pod)
    {
        _client = new HttpClient(new SocketsHttpHandler
        {
            // .NET's socks5 leaves names to the proxy, as curl's socks5h does.
            Proxy = pod.IsRedirected ? null : new WebProxy($"socks5://{pod.Address}:15080"),
            UseProxy = !pod.IsRedirected,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            // A connection a call, like the original's Python: enrolment and policies show at once.
            PooledConnectionLifetime = TimeSpan.Zero,
        })
        {
            Timeout = TimeSpan.FromSeconds(10),
        };
    }

    /// <summary>The answer, or null with the reason when there is none.</summary>
    public async Task<(T? Value, string? Problem)> GetAsync<T>(string url, JsonTypeInfo<T> type, HttpRequest caller, CancellationToken cancellation)
        where T : class
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        foreach (var name in s_forwarded)
        {
            if (caller.Headers.TryGetValue(name, out var values))
            {
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        try
        {
            using var response = await _client.SendAsync(request, cancellation);
            if (!response.IsSuccessStatusCode)
            {
                return (null, $"{url} answered {(int)response.StatusCode}");
            }

            return (await response.Content.ReadFromJsonAsync(type, cancellation), null);
        }
        catch (Exception problem) when (problem is HttpRequestException or SocketException or IOException or JsonException
            || (problem is TaskCanceledException && !cancellation.IsCancellationRequested))
        {
            return (null, $"{url}: {problem.Message}");
        }
    }

    public void Dispose() => _client.Dispose();
}
