using System.Buffers.Binary;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Ambient.EndToEnd.Tests.Cluster;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Xunit.Abstractions;

namespace Ambient.EndToEnd.Tests.Waypoint;

/// <summary>
/// Bodies far larger than any memory of ours, up and down: from a client by its ztunnel, the waypoint and the other node's ztunnel to an app, and by
/// a gateway. All hosts are processes; what each has resident is looked at all the while, and every byte is hashed on both sides.
/// A body has 1 GB.
/// </summary>
[Collection(nameof(LargeBodyTests))]
[CollectionDefinition(nameof(LargeBodyTests), DisableParallelization = true)]
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class LargeBodyTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Piece = 64 * 1024;
    private const long BodyLength = 1 << 30;

    /// <summary>
    /// The most that a host may have resident beyond what it had after it had carried a smaller body, in MB. A peer may send as much as a tunnel's
    /// window, 4 MB, before the application reads; each body has its own tunnel, and 16 MB are the window of all of a connection. A managed host's
    /// heap grows in larger steps.
    /// </summary>
    private static readonly double s_mostGrowth = HostProcess.IsNative ? 32 : 64;

    private readonly LocalCluster _cluster = new();
    private readonly List<HostProcess> _hosts = [];

    public Task InitializeAsync()
    {
        _cluster.AddService("web", "web");
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.DisposeAsync();
        }

        await _cluster.DisposeAsync();
    }

    [SkippableTheory]
    [InlineData("1.1", 9080)]
    [InlineData("2.0", 9090)]
    public async Task Bodies_ThroughZtunnelsAndAWaypoint_ArriveWhole_AndNoHostGrows(string version, int port)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "memory is read from /proc");
        var sleep = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        var notsleep = _cluster.AddDeployment("notsleep", "notsleep", "node-a", "notsleep");
        var web = _cluster.AddDeployment("web-v1", "web", "node-b", "web");
        _cluster.AddWaypoint();
        _cluster.Apply("policy", """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata:
              name: friends
              namespace: app
            spec:
              targetRefs:
              - kind: Service
                group: ""
                name: web
              action: ALLOW
              rules:
              - from:
                - source:
                    principals: ["cluster.local/ns/app/sa/sleep"]

            """);
        await _cluster.StartAppAsync("web-v1", web, Map);
        _hosts.Add(await HostProcess.StartZtunnelAsync(_cluster, "node-a"));
        _hosts.Add(await HostProcess.StartZtunnelAsync(_cluster, "node-b"));
        _hosts.Add(await HostProcess.StartGatewayAsync(_cluster, "waypoint"));
        using var client = LocalCluster.ClientOf(sleep);
        using var stranger = LocalCluster.ClientOf(notsleep);
        var address = new Uri($"http://web:{port}/");
        await LocalCluster.EventuallyAsync(async () => (await AskAsync(client, address, version)).StatusCode == HttpStatusCode.OK, () => string.Join('\n', _hosts.Select(host => host.Log)));
        using var refused = await AskAsync(stranger, address, version);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        await CarryAsync(client, address, version);
    }

    [SkippableTheory]
    [InlineData("1.1", 9080)]
    [InlineData("2.0", 9090)]
    public async Task Bodies_ThroughAGateway_ArriveWhole_AndItDoesNotGrow(string version, int port)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "memory is read from /proc");
        var web = _cluster.AddDeployment("web-v1", "web", "node-b", "web");
        _cluster.AddGateway(port);
        await _cluster.StartAppAsync("web-v1", web, Map);
        _hosts.Add(await HostProcess.StartZtunnelAsync(_cluster, "node-b"));
        var gateway = await HostProcess.StartGatewayAsync(_cluster, "edge");
        _hosts.Add(gateway);
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(60) };
        var address = new Uri($"http://{await gateway.SaidAsync("listener port 8080 is open on ")}/");
        await LocalCluster.EventuallyAsync(async () => (await AskAsync(client, address, version)).StatusCode == HttpStatusCode.OK, () => gateway.Log);
        await CarryAsync(client, address, version);
    }

    private async Task CarryAsync(HttpClient client, Uri address, string version)
    {
        // What a host holds while bytes pass: windows, sockets, TLS.
        await UpAsync(client, address, version, BodyLength / 32);
        await DownAsync(client, address, version, BodyLength / 32);
        var before = _hosts.ConvertAll(static host => host.TakePeak());
        using var over = new CancellationTokenSource();
        var looking = Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                _hosts.ForEach(static host => host.Look());
                await Task.Delay(20);
            }
        });
        foreach (var (what, carry) in new (string, Func<HttpClient, Uri, string, long, Task>)[] { ("up", UpAsync), ("down", DownAsync) })
        {
            var from = Stopwatch.GetTimestamp();
            await carry(client, address, version, BodyLength);
            var took = Stopwatch.GetElapsedTime(from);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {BodyLength >> 20} MB in {took.TotalSeconds:0.0} s"));
        }

        await over.CancelAsync();
        await looking;
        for (var i = 0; i < _hosts.Count; i++)
        {
            var peak = _hosts[i].TakePeak();
            var said = string.Create(CultureInfo.InvariantCulture, $"{_hosts[i].Name}: {before[i]:0.0} MB resident before, {peak:0.0} at most");
            output.WriteLine(said);
            Assert.True(peak - before[i] <= s_mostGrowth, said);
        }
    }

    private static Task<HttpResponseMessage> AskAsync(HttpClient client, Uri address, string version) => SendAsync(client, HttpMethod.Get, address, version, null);

    private static async Task UpAsync(HttpClient client, Uri address, string version, long length)
    {
        using var content = new Content(length);
        using var response = await SendAsync(client, HttpMethod.Post, new Uri(address, "up"), version, content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal($"{length} {content.Hash}", await response.Content.ReadAsStringAsync());
    }

    private static async Task DownAsync(HttpClient client, Uri address, string version, long length)
    {
        using var response = await SendAsync(client, HttpMethod.Get, new Uri(address, $"down?{length}"), version, null);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await using var body = await response.Content.ReadAsStreamAsync();
        var (count, hash) = await HashAsync(body);
        Assert.Equal(length, count);
        using var sent = await SendAsync(client, HttpMethod.Get, new Uri(address, "sent"), version, null);
        Assert.Equal(await sent.Content.ReadAsStringAsync(), hash);
    }

    private static async Task<HttpResponseMessage> SendAsync(HttpClient client, HttpMethod method, Uri address, string version, HttpContent? content)
    {
        using var request = new HttpRequestMessage(method, address)
        {
            Version = Version.Parse(version),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(240));
        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
    }

    private static void Map(WebApplication app)
    {
        var sent = "";
        app.MapPost("/up", async http =>
        {
            http.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null;
            var (count, hash) = await HashAsync(http.Request.Body);
            await http.Response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"{count} {hash}"));
        });
        app.MapGet("/down", async http =>
        {
            // Of no known length: chunks in HTTP/1.1.
            sent = await WriteAsync(http.Response.Body, long.Parse(http.Request.QueryString.Value![1..], CultureInfo.InvariantCulture));
        });
        app.MapGet("/sent", http => http.Response.WriteAsync(sent));
    }

    private static async Task<string> WriteAsync(Stream body, long length)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[Piece];
        new Random(7).NextBytes(piece);
        for (long at = 0; at < length; at += Piece)
        {
            // No two pieces are alike, so that none can be lost, doubled or swapped.
            BinaryPrimitives.WriteInt64LittleEndian(piece, at);
            hash.AppendData(piece);
            await body.WriteAsync(piece);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static async Task<(long Count, string Hash)> HashAsync(Stream body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[Piece];
        long count = 0;
        for (int read; (read = await body.ReadAsync(buffer)) > 0; count += read)
        {
            hash.AppendData(buffer, 0, read);
        }

        return (count, Convert.ToHexString(hash.GetHashAndReset()));
    }

    /// <summary>A body of a stated length that is made as it is sent.</summary>
    private sealed class Content(long length) : HttpContent
    {
        public string Hash { get; private set; } = "";

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Hash = await WriteAsync(stream, length);

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}
