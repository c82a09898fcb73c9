using System.Collections.Concurrent;
using Ambient.Mesh;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// The upstreams in use, one for each endpoint, port, protocol and kind of TLS. Looked up without a lock; those whose endpoint left
/// the mesh or changed its address, identity or protocol are retired with the snapshot that says so.
/// </summary>
internal sealed class UpstreamPool : IDisposable
{
    // Looks for one that can go, for each that comes: more than that is not looked for, whatever is in use.
    private const int MostLooks = 16;

    private readonly ConcurrentDictionary<Key, Upstream> _upstreams = new();

    // As they came, and again at the end when they were used since; some of them are retired already.
    private readonly ConcurrentQueue<(Key Key, Upstream Upstream)> _byAge = new();
    private readonly UpstreamDialer _dialer;
    private readonly TimeProvider _time;
    private readonly IDisposable _watch;
    private readonly ITimer _sweep;

    /// <summary>Creates a pool.</summary>
    /// <param name="meshes">The mesh.</param>
    /// <param name="dialer">Makes connections.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">Clock.</param>
    /// <param name="metrics">Counts what limits did; null: nobody does.</param>
    /// <param name="logger">Told of endpoints that are left out and come back; null: nobody is.</param>
    public UpstreamPool(
        IMeshSnapshotProvider meshes, UpstreamDialer dialer, UpstreamOptions options, TimeProvider time, BackendMetrics? metrics = null, ILogger? logger = null)
    {
        Backends = new Backends(options, time, metrics, logger, RetireOf);
        _dialer = dialer;
        _time = time;
        Options = options;
        _watch = meshes.OnChange(RetireGone);
        _sweep = time.CreateTimer(static pool => ((UpstreamPool)pool!).Sweep(), this, options.IdleTimeout / 4, options.IdleTimeout / 4);
    }

    /// <summary>Settings.</summary>
    public UpstreamOptions Options { get; }

    /// <summary>Services' ports as requests are sent to them.</summary>
    public Backends Backends { get; }

    /// <summary>Where the upstreams in use go.</summary>
    public IEnumerable<UpstreamEndpoint> Endpoints => _upstreams.Select(pair => pair.Value.Endpoint);

    /// <summary>Upstreams in use.</summary>
    public int Count => _upstreams.Count;

    /// <summary>The upstream of an endpoint, counted in for the caller, who counts it out with <see cref="Upstream.Release"/>.</summary>
    public Upstream Acquire(UpstreamEndpoint endpoint)
    {
        // The same endpoint as before: what it was looked for by is the same, too.
        if (endpoint.Upstream is { IsRetired: false } last && ReferenceEquals(last.Pool, this) && last.TryAcquire())
        {
            last.IsKnown = true;
            return last;
        }

        var key = new Key(endpoint.Workload.Uid, endpoint.Waypoint?.Authority ?? endpoint.Way?.Authority, endpoint.Address.Port, endpoint.Http2, endpoint.Limits, endpoint.Tls, endpoint.ClientCertificate, endpoint.HostName, endpoint.Proxy);
        Upstream? added = null;
        while (true)
        {
            if (_upstreams.TryGetValue(key, out var upstream))
            {
                if (Serves(upstream.Endpoint.Workload, endpoint.Workload) && upstream.Endpoint.Address.Equals(endpoint.Address)
                    && upstream.TryAcquire())
                {
                    upstream.IsKnown |= !ReferenceEquals(upstream, added);
                    endpoint.Upstream = upstream;
                    return upstream;
                }

                Retire(key, upstream);
            }

            MakeRoom();

            // Not GetOrAdd: it may make two, and the loser would never be closed.
            added = new Upstream(endpoint, _dialer, endpoint.Limits?.Options ?? Options, _time) { Pool = this };
            if (_upstreams.TryAdd(key, added))
            {
                _byAge.Enqueue((key, added));
            }
            else
            {
                added.Release();
            }
        }
    }

    /// <summary>Retires every upstream; requests under way finish.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _sweep.Dispose();
        Backends.Close();
        foreach (var (key, upstream) in _upstreams)
        {
            Retire(key, upstream);
        }
    }

    private void Sweep()
    {
        foreach (var (_, upstream) in _upstreams)
        {
            upstream.Sweep();
        }
    }

    /// <summary>Retires the connections of a backend that has others now.</summary>
    private void RetireOf(BackendLimits limits)
    {
        foreach (var (key, upstream) in _upstreams)
        {
            if (ReferenceEquals(key.Limits, limits))
            {
                Retire(key, upstream);
            }
        }
    }

    private void RetireGone(MeshSnapshot mesh)
    {
        Backends.RetireGone(mesh);
        foreach (var (key, upstream) in _upstreams)
        {
            if (!mesh.Workloads.TryGetValue(key.Uid, out var workload) || !Serves(upstream.Endpoint.Workload, workload)
                || (key.HostName is null && upstream.Endpoint.Way is null && !workload.Addresses.Contains((upstream.Endpoint.Waypoint?.NextHop ?? upstream.Endpoint.Address).Address)))
            {
                Retire(key, upstream);
            }
        }
    }

    /// <summary>
    /// Where there are as many as are kept, one goes for one that comes: the oldest that nobody uses, and that nobody has come back to since it was looked at
    /// last. So what one client thinks of, and asks for once, takes no other's place.
    /// </summary>
    private void MakeRoom()
    {
        // Two looks for each that comes also take the retired ones out of the queue, so that it does not grow.
        var isFull = _upstreams.Count >= Options.MaxKept;
        for (var looks = isFull ? MostLooks : 2; looks > 0 && _byAge.TryDequeue(out var oldest); looks--)
        {
            var (key, upstream) = oldest;
            if (!_upstreams.TryGetValue(key, out var current) || !ReferenceEquals(current, upstream))
            {
                continue;
            }

            if (isFull && upstream.IsUnused && !upstream.IsKnown)
            {
                Retire(key, upstream);
                return;
            }

            upstream.IsKnown &= !isFull;
            _byAge.Enqueue(oldest);
        }
    }

    private void Retire(in Key key, Upstream upstream)
    {
        if (_upstreams.TryRemove(KeyValuePair.Create(key, upstream)))
        {
            upstream.IsRetired = true;
            upstream.Release();
        }
    }

    private static bool Serves(Workload dialled, Workload wanted) =>
        ReferenceEquals(dialled, wanted) || (dialled.Protocol == wanted.Protocol && dialled.Identity.Equals(wanted.Identity)
            && dialled.NetworkGateway == wanted.NetworkGateway && dialled.ServiceWaypoint == wanted.ServiceWaypoint);

    private readonly record struct Key(string Uid, string? Through, int Port, bool Http2, BackendLimits? Limits, BackendTls? Tls, TlsSecret? ClientCertificate, string? HostName, ProxyPreamble? Proxy);
}
