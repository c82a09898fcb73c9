using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>
/// Makes requests as a pod would: through the SOCKS5 door that the pod's ztunnel keeps on the pod's address, names
/// left to the mesh, a fresh connection every time.
/// </summary>
internal sealed class PodClient : IDisposable
{
    private readonly HttpClient _client;

    public PodClient(string name, IPAddress podAddress)
    {
        Name = name;
        PodAddress = podAddress;
        Socks = new IPEndPoint(podAddress, 15080);
        _client = new HttpClient(new SocketsHttpHandler
        {
            Proxy = new WebProxy($"socks5://{Socks}"),
            UseProxy = true,
            UseCookies = false,
            AllowAutoRedirect = false,
            PooledConnectionLifetime = TimeSpan.Zero,
            ConnectTimeout = TimeSpan.FromSeconds(5),
        })
        {
            Timeout = TimeSpan.FromSeconds(30),
        };
    }

    /// <summary>Name of the client's workload.</summary>
    public string Name { get; }

    /// <summary>Address of its pod.</summary>
    public IPAddress PodAddress { get; }

    /// <summary>The door.</summary>
    public IPEndPoint Socks { get; }

    /// <summary>Sends one request; a failure is an answer too.</summary>
    public async Task<Answer> SendAsync(HttpMethod method, string url, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, url);
        var started = Stopwatch.GetTimestamp();
        try
        {
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellation);
            var body = await response.Content.ReadAsStringAsync(cancellation);
            return new Answer(response.StatusCode, body, null, Stopwatch.GetElapsedTime(started));
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or SocketException
            || (failure is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return Answer.From(failure, Stopwatch.GetElapsedTime(started));
        }
    }

    public void Dispose() => _client.Dispose();
}
