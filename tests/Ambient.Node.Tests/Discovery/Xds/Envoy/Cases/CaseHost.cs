using System.Text;
using Ambient.Mesh;
using Ambient.Node.Authorities;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>A waypoint or gateway of a recorded case that runs, whoever told it of the mesh.</summary>
internal sealed class CaseHost : IAsyncDisposable
{
    /// <summary>Added to the ports of gateways: those below 1024 are for root alone.</summary>
    public const int PortOffset = 20_000;

    private readonly Shutdown _shutdown = new(TimeSpan.FromSeconds(20), TimeProvider.System, NullLogger.Instance);
    private readonly MemoryStream _log = new();
    private readonly LogWriter _writer;
    private readonly MetricRegistry _metrics = new();
    private readonly HostLoggerFactory _loggers;
    private MeshRuntime? _runtime;
    private WaypointNode? _node;
    private Task _running = Task.CompletedTask;

    private CaseHost(MeshStore store)
    {
        Store = store;
        _writer = new LogWriter(_log);
        _loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
    }

    public MeshStore Store { get; }

    /// <summary>Our own workload; null: the mesh does not have it, and nothing is served.</summary>
    public Workload? Self => _node!.Self?.Current;

    /// <summary>Everything logged so far.</summary>
    public string Log
    {
        get
        {
            _writer.Flush();
            lock (_log)
            {
                return Encoding.UTF8.GetString(_log.ToArray());
            }
        }
    }

    /// <summary>A scrape.</summary>
    public string Scrape
    {
        get
        {
            var text = Utf8TextBuilder.Rent();
            _metrics.Write(text);
            var scrape = Encoding.UTF8.GetString(text.Written);
            text.Return();
            return scrape;
        }
    }

    /// <summary>Runs a host.</summary>
    /// <param name="discovery">Where its mesh comes from; null: <paramref name="store"/> is filled already, and goes on being filled.</param>
    /// <param name="store">The mesh.</param>
    /// <param name="gateway">Its Gateway, and its pod.</param>
    /// <param name="backends">Who issues certificates.</param>
    /// <param name="untilReady">Whether it is waited for to be ready.</param>
    public static async Task<CaseHost> StartAsync(DiscoveryOptions? discovery, MeshStore store, (string Namespace, string Name, string Pod) gateway, CaseBackends backends, bool untilReady = true)
    {
        var host = new CaseHost(store);
        try
        {
            await host.RunAsync(discovery, gateway, backends, untilReady);
            return host;
        }
        catch (Exception e)
        {
            var log = host.Log;
            await host.DisposeAsync();
            throw new InvalidOperationException($"{e.Message}\n{log}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _shutdown.Begin("the case is over");
        _shutdown.Force();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        if (_runtime is not null)
        {
            await _runtime.DisposeAsync();
        }

        _shutdown.Dispose();
        _writer.Dispose();
    }

    private async Task RunAsync(DiscoveryOptions? discovery, (string Namespace, string Name, string Pod) gateway, CaseBackends backends, bool untilReady)
    {
        _runtime = await MeshRuntime.OpenAsync(
            new MeshRuntimeOptions
            {
                Discovery = discovery ?? new DiscoveryOptions(),
                Authority = new AuthorityOptions(),
                Source = discovery is null ? static _ => new Filled() : null,
                OwnSvids = backends.Svids,
            },
            Store, _loggers, _metrics, TimeProvider.System, CancellationToken.None);
        // A folder with errors is waited for until they are mended.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await _runtime.StartAsync(patience.Token).WaitAsync(patience.Token);
        _node = new WaypointNode(
            new WaypointOptions
            {
                Host = new NodeOptions(),
                GatewayName = gateway.Name,
                Namespace = gateway.Namespace,
                PodName = gateway.Pod,
                ListenerPortOffset = PortOffset,
                ResolveNames = CaseNames.ResolveAsync,
            },
            _runtime, _loggers, _metrics, TimeProvider.System);
        _running = _node.RunAsync(_shutdown);
        var since = System.Diagnostics.Stopwatch.StartNew();
        while (untilReady && _node.Readiness.Pending() is { Length: > 0 } pending)
        {
            if (_running.IsCompleted)
            {
                await _running;
            }

            // A gateway some of whose listeners cannot be served serves the others, and is not ready.
            if (pending is ["listener"] && gateway.Name == "gw" && since.Elapsed > TimeSpan.FromSeconds(1))
            {
                return;
            }

            if (_running.IsCompleted || patience.IsCancellationRequested)
            {
                throw new InvalidOperationException($"the host is not ready: {string.Join(", ", pending)}");
            }

            await Task.Delay(5, CancellationToken.None);
        }
    }

    private sealed class Filled : IMeshSource
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
