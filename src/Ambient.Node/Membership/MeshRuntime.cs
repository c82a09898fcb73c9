using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Authorities;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Membership;

/// <summary>
/// A node's membership of a mesh: where the mesh comes from, who issues certificates, the cache of them, and who is revoked. Ztunnel,
/// waypoint, gateway and member are four users of it, and nothing else in this package makes any of these parts.
/// </summary>
internal sealed class MeshRuntime : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly MeshRuntimeOptions _options;
    private IMeshSource? _source;
    private Authority? _authority;

    private MeshRuntime(MeshRuntimeOptions options, MeshStore store)
    {
        _options = options;
        Mesh = store;
    }

    /// <summary>The mesh as it is known now; empty before <see cref="StartAsync"/>.</summary>
    public MeshStore Mesh { get; }

    /// <summary>Asks the control plane for what is not known yet; null where everything is told unasked.</summary>
    public AddressDemand? Demand { get; private set; }

    /// <summary>Asks the control plane for what requests are routed and authorized by; null where nobody does.</summary>
    public IXdsSession? Requests { get; private set; }

    /// <summary>Certificates to present.</summary>
    public ISvidSource Svids { get; private set; } = null!;

    /// <summary>The cache that they are in, to be warmed and shown; null where the application brings its own <see cref="ISvidSource"/>.</summary>
    public SvidCache? Cache => Svids as SvidCache;

    /// <summary>Who is revoked; null: nobody is asked.</summary>
    public PeerRevocation? Revocation { get; private set; }

    /// <summary>Whether anything brings what requests are routed and authorized by: Gateways, routes and layer 7 policies.</summary>
    public bool BringsRequests => _options.BringsRequests;

    /// <summary>
    /// Which peers a waypoint or member accepts: those of its own trust domain and of the mesh's aliases of it. A ztunnel accepts none but its own.
    /// </summary>
    public SpiffeIdMatcher AcceptedPeers(SpiffeId self)
    {
        ArgumentNullException.ThrowIfNull(self);
        var aliases = Mesh.Current.Requests.TrustDomainAliases;
        return SpiffeIdMatcher.MemberOf([TrustDomain.Parse(self.TrustDomain), .. (aliases.IsEmpty ? _options.Discovery.TrustDomainAliases : aliases).Select(TrustDomain.Parse)]);
    }

    /// <summary>Puts it together. Nothing is read or asked for before <see cref="StartAsync"/>, but for the embedded authority's folder and the revocation file.</summary>
    /// <param name="options">From where.</param>
    /// <param name="store">Filled by the source; null: a new one.</param>
    /// <param name="loggers">Where it says what changed and what is wrong.</param>
    /// <param name="metrics">Counts what a control plane sends and revocation does; null: not counted.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="MeshSourceException">The options do not fit together; the message has every error, one on a line.</exception>
    /// <exception cref="CertificateAuthorityException">The embedded authority's folder is unusable.</exception>
    public static async Task<MeshRuntime> OpenAsync(
        MeshRuntimeOptions options, MeshStore? store, ILoggerFactory loggers, MetricRegistry? metrics, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Validate() is { Count: > 0 } errors)
        {
            throw new MeshSourceException(string.Join(Environment.NewLine, errors));
        }

        var runtime = new MeshRuntime(options, store ?? new MeshStore());
        try
        {
            await runtime.OpenAsync(loggers, metrics, time, cancellationToken).ConfigureAwait(false);
            return runtime;
        }
        catch
        {
            await runtime.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Reads the first mesh, and follows it from then on. Returns when the first mesh is live: nothing should be accepted before.</summary>
    /// <exception cref="MeshSourceException">The mesh cannot be read.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => _source!.StartAsync(cancellationToken);

    /// <summary>
    /// Where certificates come without being asked for (a Workload API), takes them from now on and tells once when it is known which. Else
    /// tells at once.
    /// </summary>
    public void OnceHeard(Action heard)
    {
        if (_authority is { } authority)
        {
            authority.OnceHeard(heard);
        }
        else
        {
            heard();
        }
    }

    /// <summary>Ends it, in the reverse order of its making. The last mesh stays.</summary>
    public async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out var owned))
        {
            await owned.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task OpenAsync(ILoggerFactory loggers, MetricRegistry? metrics, TimeProvider time, CancellationToken cancellationToken)
    {
        Demand = _options is { Source: null, Discovery.Xds.OnDemand: true } ? new AddressDemand(Mesh, time) : null;
        Func<IXdsSession>? requests = _options is { Discovery.Xds: { } xds, Requests: { } of } ? () => Requests = of(xds, Mesh, Logger("Discovery"), time) : null;
        _source = _options.Source?.Invoke(Mesh) ?? Own(MeshSource.Create(_options.Discovery, Mesh, Logger("Discovery"), time, metrics, Demand, requests));
        Svids = _options.OwnSvids ?? Own(new SvidCache(await AuthorityAsync().ConfigureAwait(false), null, time, new Logger<SvidCache>(loggers)));
        if (_options.RevocationFile is { } revoked)
        {
            Revocation = Own(new RevocationFile(revoked, metrics ?? new MetricRegistry(), Logger("Revocation"), time)).Revocation;
        }

        ILogger Logger(string name) => loggers.CreateLogger(_options.LogPrefix + name);

        async ValueTask<ICertificateAuthority> AuthorityAsync()
        {
            if (_options.OwnAuthority is { } own)
            {
                return own;
            }

            return _authority = Own(await Authority.OpenAsync(_options.Authority, loggers, time, cancellationToken).ConfigureAwait(false));
        }
    }

    private T Own<T>(T part)
        where T : IAsyncDisposable
    {
        _owned.Push(part);
        return part;
    }
}
