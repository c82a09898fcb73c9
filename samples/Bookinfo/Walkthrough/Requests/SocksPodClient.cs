using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>Through the SOCKS5 door that the pod's ztunnel keeps on the pod's address.</summary>
internal sealed class SocksPodClient : PodClient
{
    private readonly HttpClient _client;
    private readonly IPEndPoint _door;

    public SocksPodClient(string name, IPAddress podAddress)
        : base(name)
    {
        _door = new IPEndPoint(podAddress, 15080);
        _client = new HttpClient(new SocketsHttpHandler
        {
            Proxy = new WebProxy($"socks5://{_door}"),
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

    public override string Command(HttpMethod method, string url) => $"curl {MethodOf(method)}--socks5-hostname {_door} {url}";

    public override async Task<Answer> SendAsync(HttpMethod method, string url, CancellationToken cancellation, string? token = null)
    {
        using var request = new HttpRequestMessage(method, url);
        request.Headers.Authorization = token is null ? null : new("Bearer", token);
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

    public override void Dispose() => _client.Dispose();
}
