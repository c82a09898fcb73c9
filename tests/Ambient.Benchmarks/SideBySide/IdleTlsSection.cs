using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// What an idle TLS connection costs the server's side: private memory of a ztunnel that holds a thousand of them, each with the tunnel that it
/// was opened for, over what it had before. With <c>AMBIENT_TLS=managed</c> beside it, by turns.
/// </summary>
internal sealed class IdleTlsSection(SideBySideOptions options, BenchNetwork network, Figures figures, string folder, CancellationToken cancellationToken)
{
    /// <summary>The child that holds the connections.</summary>
    internal const string Verb = "idle-tls-client";

    private const string Figure = "idle TLS connection";
    private const string OpenSsl = "idle TLS by OpenSSL";
    private const string Managed = "idle TLS by SslStream";
    private const int Connections = 1000;
    private const int HbonePort = 15008;
    private const double Target = 24;
    private const double KiB = 1024;

    // A ztunnel gives back what it can a few seconds after it has become quiet.
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(8);
    private static readonly SpiffeId s_client = SpiffeId.ForServiceAccount("cluster.local", "bench", "client");
    private static readonly SpiffeId s_server = SpiffeId.ForServiceAccount("cluster.local", "bench", "server");

    internal async Task RunAsync()
    {
        for (var round = 0; round < options.Rounds; round++)
        {
            foreach (var (name, engine) in new[] { (OpenSsl, "auto"), (Managed, "managed") })
            {
                await using var pair = await ZtunnelPair.StartAsync(network, folder, options, cancellationToken, more: new() { ["AMBIENT_TLS"] = engine });
                var server = pair.Processes[1];
                await HoldAsync(100, () => Task.FromResult(0));
                await Task.Delay(s_rest, cancellationToken);
                var before = server.Private;
                var held = await HoldAsync(Connections, async () =>
                {
                    await Task.Delay(s_rest, cancellationToken);
                    return server.Private;
                });
                var each = (held - before) / KiB / Connections;
                figures.Add(Figure, name, each, $"{each:0.0} KB an idle TLS connection, {name}");
            }
        }
    }

    /// <summary>The child process.</summary>
    internal static async Task<int> HoldAsync(string folder, string host, int count)
    {
        using var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = folder });
        var svids = new OneSvid(await authority.IssueAsync(s_client));
        var request = new HboneConnectRequest
        {
            NextHop = new IPEndPoint(IPAddress.Parse(host), HbonePort),
            Authority = string.Create(CultureInfo.InvariantCulture, $"{host}:{Backends.Http}"),
            Source = s_client,
            AcceptedIdentities = [s_server],
        };
        var held = new List<(HboneClient Client, HboneTunnel Tunnel)>();
        for (var i = 0; i < count; i++)
        {
            // A client of its own, so that it opens a connection of its own.
            var client = new HboneClient(new HboneClientOptions(), svids);
            held.Add((client, await client.ConnectAsync(request)));
        }

        Console.WriteLine(HeldChild.Holding);
        await Console.In.ReadToEndAsync();
        foreach (var (client, tunnel) in held)
        {
            await tunnel.DisposeAsync();
            await client.DisposeAsync();
        }

        return 0;
    }

    internal static void Report(Report report, Figures figures)
    {
        if (figures.Median(Figure, OpenSsl) is null)
        {
            return;
        }

        report.Begin($"{Connections} idle TLS connections", "ztunnel", "by SslStream", "ratio", "target");
        report.Row("private memory each, server, KB", Figure, "0.0", target: $"<= {Target} KB", ours: OpenSsl, theirs: Managed, limit: Target);
    }

    private Task<T> HoldAsync<T>(int count, Func<Task<T>> measure) => HeldChild.WhileAsync(
        network.Server, [Verb, Path.Combine(folder, "ca"), BenchNetwork.ServerAddress, count.ToString(CultureInfo.InvariantCulture)], measure, cancellationToken);

    private sealed class OneSvid(X509Svid svid) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => ValueTask.FromResult(svid);
    }
}
