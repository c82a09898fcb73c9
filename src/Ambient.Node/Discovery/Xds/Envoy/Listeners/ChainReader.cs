using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Extensions;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Routes;
using Ambient.Node.Discovery.Xds.Envoy.Telemetry;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>Reads filter chains. What is not understood in one blocks that chain alone.</summary>
internal sealed class ChainReader
{
    private readonly Problems _problems;
    private readonly Func<string, EnvoyExtension?> _extensions;
    private readonly ImmutableArray<string>.Builder _named = ImmutableArray.CreateBuilder<string>();
    private ImmutableArray<RequestAuthorizationPolicy> _policies = [];
    private readonly ImmutableArray<ExternalAuthorizer>.Builder _authorizers = ImmutableArray.CreateBuilder<ExternalAuthorizer>();
    private RequestAuthentication? _tokens;
    private ChainHttp? _http;
    private ImmutableArray<(string Cluster, int Weight)> _clusters = [];
    private ChainTelemetry? _observed;
    private StreamLimits? _limits;
    private ConsistentHash? _hash;
    private Any? _lookup;

    // Where certificates of clients are verified, who they are is not known to policies.
    private bool _knowsClients = true;
    private string? _blocked;
    private string _where = "";

    private ChainReader(Problems problems, Func<string, EnvoyExtension?> extensions) => (_problems, _extensions) = (problems, extensions);

    /// <summary>Reads a chain.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="listener">Name of its listener.</param>
    /// <param name="telemetry">Reads what is logged, counted and traced of it.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no chain.</exception>
    public static EnvoyChain Read(ReadOnlySpan<byte> bytes, string listener, ChainTelemetryReader telemetry, Problems problems)
    {
        var observed = new ChainTelemetry(listener == EnvoyListener.Main);
        var chain = new ChainReader(problems, static _ => null) { _observed = observed }.Read(bytes, listener);
        return chain with { Telemetry = telemetry.Read(observed, problems) };
    }

    /// <summary>Reads a chain again, with the filters that it names and that come by themselves.</summary>
    /// <param name="chain">The chain, without them.</param>
    /// <param name="listener">Name of its listener.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <param name="extensions">The filters; null: one has not come.</param>
    public static EnvoyChain Extend(EnvoyChain chain, string listener, Problems problems, Func<string, EnvoyExtension?> extensions) =>
        new ChainReader(problems, extensions).Read(chain.Source!.Span, listener) with { Telemetry = chain.Telemetry };

    /// <summary>
    /// Reads the chain of a waypoint that ends tunnels, of which policies alone are istiod's to say: what is done with tunnels is known here.
    /// </summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no chain.</exception>
    public static ImmutableArray<RequestAuthorizationPolicy> ReadTunnels(ReadOnlySpan<byte> bytes, Problems problems)
    {
        var reader = new ChainReader(problems, static _ => null) { _where = "tunnels" };
        var chain = Strict.Read(FilterChain.Parser, bytes, out var isWhole);
        foreach (var filter in chain.Filters)
        {
            if (filter.TypedConfig?.TypeUrl == EnvoyTypes.HttpConnectionManager)
            {
                var http = Strict.Read(HttpConnectionManager.Parser, filter.TypedConfig.Value, out var isWholeHttp);
                isWhole &= isWholeHttp;
                foreach (var inner in http.HttpFilters)
                {
                    reader.Read(inner);
                }
            }
            else
            {
                reader.Read(filter);
            }
        }

        if (!isWhole)
        {
            // It might be a policy.
            reader.Block("a field that is not known");
        }

        if (reader._tokens is not null || !reader._authorizers.ToImmutable().IsEmpty)
        {
            reader.Block("tokens or an external authorizer of tunnels");
        }

        return reader._blocked is { } why ? reader._policies.Add(ChainPolicies.Nobody(why)) : reader._policies;
    }

    private EnvoyChain Read(ReadOnlySpan<byte> bytes, string listener)
    {
        var wire = Strict.Read(FilterChain.Parser, bytes, out var isWhole);
        _where = wire.Name.Length > 0 ? wire.Name : $"listener {listener}";
        if (!isWhole)
        {
            Block("a field of the chain that is not known");
        }

        ChainTls? tls = null;
        try
        {
            if (wire.TransportSocket is { } socket)
            {
                tls = ChainSockets.Read(socket, out var problem);
                if (problem is not null)
                {
                    Block(problem);
                }

                _problems.NoteIf(tls?.NamesCipherSuites == true, _where, "cipher suites; they are the platform's");
            }

            _knowsClients = tls?.Authorities is null;
            foreach (var filter in wire.Filters)
            {
                Read(filter);
            }
        }
        catch (Exception e) when (Faults.IsOfBytes(e))
        {
            Block($"it cannot be read: {e.Message}");
            _policies = _policies.Add(ChainPolicies.Nobody("not understood"));
        }

        if (_lookup is not null && DynamicHosts.ProblemOf(_lookup, _clusters is [var only] ? ClusterName.Parse(only.Cluster)?.Port : null) is { } unknown)
        {
            Block(unknown);
        }

        if (!_knowsClients)
        {
            _policies = UnknownClients.In(_policies, $"{_where} policies", _problems);
        }

        if (_http is null && _clusters.IsEmpty)
        {
            Block("nothing that takes its connections");
        }

        return new EnvoyChain
        {
            Name = wire.Name,
            ServerNames = [.. wire.FilterChainMatch?.ServerNames ?? []],
            Tls = tls,
            Policies = _policies,
            Tokens = _tokens,
            Authorizers = _authorizers.ToImmutable(),
            Http = _http,
            Clusters = _clusters,
            Limits = _limits,
            Hash = _hash,
            Extensions = _named.ToImmutable(),
            Source = _named.Count > 0 ? ByteString.CopyFrom(bytes) : null,
            Blocked = _blocked,
        };
    }

    private void Read(NetworkFilter filter)
    {
        if (ConfigOf(filter.Name, filter.TypedConfig, filter.ConfigDiscovery) is not { } config)
        {
            return;
        }

        switch (config.TypeUrl)
        {
            case EnvoyTypes.HttpConnectionManager:
                ReadHttp(config.Value);
                break;
            case EnvoyTypes.TcpProxy:
                ReadTcp(config.Value);
                break;
            case EnvoyTypes.NetworkAuthorizer:
                if (AuthorizerReader.ReadNetwork(config.Value, out var problem) is { } authorizer)
                {
                    _authorizers.Add(authorizer);
                }
                else
                {
                    Block(problem!);
                }

                break;
            case EnvoyTypes.DynamicHostsOfConnections:
                _lookup = config;
                break;
            case EnvoyTypes.NetworkRules:
                _policies = ChainPolicies.Behind(_policies, [.. RuleSetReader.ReadNetwork(config.Value, _where, _problems)]);
                break;
            default:
                PassOver(filter.Name, config);
                break;
        }
    }

    private void ReadTcp(ByteString bytes)
    {
        var wire = Strict.Read(TcpProxy.Parser, bytes, out var isWhole);
        if (!isWhole)
        {
            Block("a field of tcp_proxy that is not known");
        }

        if (wire.TunnelingConfig.Length > 0)
        {
            Block("connections that are put into tunnels of their own");
        }

        if (_observed is { } observed)
        {
            observed.Logs = wire.AccessLog;
        }

        _limits = wire.IdleTimeout is null && wire.MaxDownstreamConnectionDuration is null && wire.MaxConnectAttempts is null ? null : new StreamLimits(
            wire.IdleTimeout?.ToTimeSpan(),
            wire.MaxDownstreamConnectionDuration?.ToTimeSpan(),
            (int?)Math.Min(wire.MaxConnectAttempts ?? 0, 100) is > 0 and var attempts ? attempts : null);
        _hash = wire.HashPolicy.Any(static policy => policy.PolicySpecifierCase == ConnectionHashPolicy.PolicySpecifierOneofCase.SourceIp) ? new ConsistentHash(HashSource.SourceAddress, "") : null;
        _clusters = wire.ClusterSpecifierCase switch
        {
            TcpProxy.ClusterSpecifierOneofCase.Cluster => [(wire.Cluster, 1)],
            TcpProxy.ClusterSpecifierOneofCase.WeightedClusters => [.. wire.WeightedClusters.Clusters.Select(cluster => (cluster.Name, (int)Math.Min(cluster.Weight, int.MaxValue)))],
            _ => [],
        };
    }

    private void ReadHttp(ByteString bytes)
    {
        var wire = Strict.Read(HttpConnectionManager.Parser, bytes, out var isWhole);
        if (!isWhole)
        {
            Block("a field of http_connection_manager that is not known");
        }

        ChainNotes.Add(wire, _where, _problems);
        if (_observed is { } observed)
        {
            (observed.Logs, observed.Tracing, observed.RequestId) = (wire.AccessLog, wire.Tracing, wire.RequestIdExtension);
        }

        foreach (var filter in wire.HttpFilters)
        {
            Read(filter);
        }

        RouteTable? routes = null;
        string? name = null;
        switch (wire.RouteSpecifierCase)
        {
            case HttpConnectionManager.RouteSpecifierOneofCase.RouteConfig:
                routes = RouteTables.Read(wire.RouteConfig.Span, _where, _problems);
                if (routes.Unknown is { } unknown)
                {
                    Block(unknown);
                }

                break;
            case HttpConnectionManager.RouteSpecifierOneofCase.Rds:
                name = wire.Rds.RouteConfigName;
                break;
            default:
                Block("routes from a place that is not known");
                break;
        }

        _http = new ChainHttp(routes, name, Normalization(wire), wire.Http2ProtocolOptions is not null, (int)Math.Min(wire.XffNumTrustedHops, 64)) { Headers = ChainHeaders.Read(wire, _where, _problems) };
    }

    /// <summary>The configuration of a filter, wherever it comes from; null: there is none to read, and whatever follows from that is done.</summary>
    private Any? ConfigOf(string name, Any? own, ExtensionConfigSource? source)
    {
        if (source is null)
        {
            return own ?? new Any();
        }

        _named.Add(name);
        var config = source.DefaultConfig;
        if (_extensions(name) is { } come)
        {
            config = new Any { TypeUrl = come.Type, Value = come.Value };
            if (!source.TypeUrls.Contains(come.Type))
            {
                Block($"the extension {name} ({EnvoyTypes.Short(come.Type)}), which should be of another type");
                return null;
            }
        }

        if (config is null)
        {
            // As in Envoy, which answers with an error until it has come. It is nobody's mistake, so nobody is told.
            _blocked ??= $"waiting for the extension {name}";
            return null;
        }

        if (!EnvoyExtension.IsCode(config.TypeUrl))
        {
            return config;
        }

        if (!EnvoyExtension.FailsOpen(config.Value))
        {
            _blocked ??= $"not understood: the code of the extension {name} is not run here";
        }

        return null;
    }

    private void Read(HttpFilter filter)
    {
        if (ConfigOf(filter.Name, filter.TypedConfig, filter.ConfigDiscovery) is not { } config)
        {
            return;
        }

        switch (config.TypeUrl)
        {
            case EnvoyTypes.HttpRules:
                _policies = ChainPolicies.Behind(_policies, [.. RuleSetReader.ReadHttp(config.Value, _where, _problems)]);
                break;
            case EnvoyTypes.Tokens when _tokens is null:
                _tokens = TokenReader.Read(config.Value, _where, _problems, out var unknown);
                if (unknown is not null)
                {
                    Block(unknown);
                }

                break;
            case EnvoyTypes.HttpAuthorizer:
                if (AuthorizerReader.Read(config.Value, out var problem) is { } authorizer)
                {
                    _authorizers.Add(authorizer);
                }
                else
                {
                    Block(problem!);
                }

                break;
            case EnvoyTypes.DynamicHostsOfRequests:
                if (DynamicHosts.ProblemOf(config, null) is { } lookup)
                {
                    Block(lookup);
                }

                break;
            case EnvoyTypes.Fault:
                // Of a chain it is empty: routes say what.
                if (config.Value.Length > 0)
                {
                    Block("faults of a whole chain");
                }

                break;
            default:
                PassOver(filter.Name, config);
                break;
        }
    }

    private void PassOver(string name, Any config)
    {
        var type = config.TypeUrl;
        if (type == EnvoyTypes.TypedStruct)
        {
            type = TypeOf(config.Value);
        }

        if (name == EnvoyTypes.ClientIdentityFilter && type == EnvoyTypes.HeaderMutation)
        {
            // It only adds a header for the application.
            _problems.NoteIf(true, _where, "who the client is is not told in x-forwarded-client-cert");
        }
        else if (type == EnvoyTypes.GrpcWeb)
        {
            _problems.NoteIf(true, _where, "gRPC-Web is not translated; it is passed on as it is");
        }
        else if (type == TelemetryTypes.Stats)
        {
            if (_observed is { } observed)
            {
                observed.Stats = config.Value;
            }
        }
        else if (!EnvoyTypes.IsPassive(type))
        {
            Block(type.Length == 0 ? $"the filter {name}, which has no configuration" : $"the filter {name} ({EnvoyTypes.Short(type)})");
        }
    }

    // The first field of a TypedStruct; the rest of it is the passive filter's own affair.
    private static string TypeOf(ByteString bytes)
    {
        var fields = new Workloads.WireFields(bytes.Span);
        while (fields.MoveNext())
        {
            if (fields.Number == 1)
            {
                return fields.Text;
            }
        }

        return "";
    }

    private PathNormalization Normalization(HttpConnectionManager wire)
    {
        switch (wire.PathWithEscapedSlashesAction)
        {
            case HttpConnectionManager.Types.PathWithEscapedSlashesAction.ImplementationSpecificDefault when wire.NormalizePath == true || !wire.MergeSlashes:
            case HttpConnectionManager.Types.PathWithEscapedSlashesAction.KeepUnchanged when wire.NormalizePath == true || !wire.MergeSlashes:
                return wire.NormalizePath != true ? PathNormalization.None : wire.MergeSlashes ? PathNormalization.MergeSlashes : PathNormalization.Base;
            case HttpConnectionManager.Types.PathWithEscapedSlashesAction.UnescapeAndForward when wire is { NormalizePath: true, MergeSlashes: true }:
                return PathNormalization.DecodeAndMergeSlashes;
            default:
                Block("a treatment of paths that is not known");
                return PathNormalization.DecodeAndMergeSlashes;
        }
    }

    private void Block(string why)
    {
        _blocked ??= $"not understood: {why}";
        _problems.Add(_where, why);
    }
}
