using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Routes;
using Ambient.Node.Discovery.Xds.Envoy.Secrets;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>
/// What a gateway is told, as a Gateway and routes of its listeners: a listener for each chain and server name, a route for each of its virtual hosts.
/// </summary>
internal static class GatewayAssembly
{
    private const string ClassName = "istio";
    private const string Group = "gateway.networking.k8s.io";

    /// <summary>Puts it in.</summary>
    /// <param name="requests">What holds besides.</param>
    /// <param name="node">The gateway.</param>
    /// <param name="listeners">Its listeners.</param>
    /// <param name="routes">Routes by name.</param>
    /// <param name="secrets">Secrets by name.</param>
    /// <param name="problems">Takes what does not fit together.</param>
    public static RequestConfiguration Apply(
        RequestConfiguration requests,
        EnvoyNode node,
        IEnumerable<EnvoyListener> listeners,
        IReadOnlyDictionary<string, RouteTable> routes,
        IReadOnlyDictionary<string, EnvoySecret> secrets,
        Problems problems)
    {
        var parts = new Parts(node, routes, problems);
        var chains = listeners.Where(listener => listener.Port > 0).OrderBy(listener => listener.Port)
            .SelectMany(listener => listener.Chains.Select(chain => (listener.Port, Chain: chain, listener.ExpectsProxyHeader, listener.Bind))).ToArray();
        parts.ExpectsProxyHeader = chains.Length > 0 && chains.All(static entry => entry.ExpectsProxyHeader);
        foreach (var (port, chain, _, _) in chains)
        {
            parts.Expect(port, chain);
        }

        // What is said of requests says more than what is said of connections.
        foreach (var (port, chain, _, _) in chains.OrderByDescending(entry => entry.Chain.Http is not null))
        {
            parts.Authorize(port, chain);
        }

        foreach (var (port, chain, header, bind) in chains)
        {
            parts.Add(port, chain, header, bind);
        }

        var gateway = parts.Gateway();
        var place = parts.Place();
        var key = PlaceConfiguration.OfGateway(node.GatewayKey);
        return requests with
        {
            Gateways = gateway.Equals(requests.Gateways.GetValueOrDefault(gateway.Key)) ? requests.Gateways : requests.Gateways.SetItem(gateway.Key, gateway),
            HttpRoutes = Same(requests.HttpRoutes, parts.HttpRoutes),
            TlsRoutes = Same(requests.TlsRoutes, parts.TlsRoutes),
            TcpRoutes = Same(requests.TcpRoutes, parts.TcpRoutes),
            Secrets = Same(requests.Secrets, secrets.Values.Select(secret => secret.Certificate ?? secret.ToSecret()).OfType<TlsSecret>()
                .Select(secret => secret with { Namespace = node.Namespace }).ToDictionary(secret => secret.Key)),
            CertificateBundles = Same(requests.CertificateBundles, secrets.Values.Select(secret => secret.Authorities).OfType<CertificateBundle>()
                .Select(bundle => bundle with { Namespace = node.Namespace }).ToDictionary(bundle => bundle.Key)),
            ExternalAuthorizers = Same(requests.ExternalAuthorizers, parts.Authorizers),
            PathNormalization = parts.Normalization,
            LogsAccess = parts.LogsAccess,
            Places = place.Equals(requests.Places.GetValueOrDefault(key)) ? requests.Places : requests.Places.SetItem(key, place),
        };
    }

    /// <summary>The objects as they are now, those that are equal as the instances that they were.</summary>
    private static ImmutableDictionary<string, T> Same<T>(ImmutableDictionary<string, T> before, Dictionary<string, T> now)
        where T : class
    {
        var changed = before.ToBuilder();
        foreach (var key in before.Keys.Where(key => !now.ContainsKey(key)))
        {
            changed.Remove(key);
        }

        foreach (var (key, item) in now)
        {
            if (!before.TryGetValue(key, out var old) || !old.Equals(item))
            {
                changed[key] = item;
            }
        }

        return changed.ToImmutable();
    }

    private sealed class Parts(EnvoyNode node, IReadOnlyDictionary<string, RouteTable> routes, Problems problems)
    {
        private readonly ImmutableArray<GatewayListener>.Builder _listeners = ImmutableArray.CreateBuilder<GatewayListener>();
        private readonly ImmutableDictionary<int, ClientValidation?>.Builder _validations = ImmutableDictionary.CreateBuilder<int, ClientValidation?>();
        private readonly List<ChainPlace> _policies = [];
        private readonly Dictionary<string, int> _claims = new(StringComparer.OrdinalIgnoreCase);
        private readonly Dictionary<EnvoyChain, string> _unauthorized = new(ReferenceEqualityComparer.Instance);
        private readonly HashSet<string> _listening = new(StringComparer.OrdinalIgnoreCase);
        private readonly HashSet<PathNormalization> _normalizations = [];
        private readonly List<(int Port, EnvoyChain Chain)> _chains = [];
        private RequestAuthentication? _tokens;
        private int _trustedProxies;
        private bool _any;
        private bool _logs;

        public Dictionary<string, HttpRoute> HttpRoutes { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, StreamRoute> TlsRoutes { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, StreamRoute> TcpRoutes { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, ExternalAuthorizer> Authorizers { get; } = new(StringComparer.Ordinal);

        public PathNormalization Normalization => _normalizations.Count == 1 ? _normalizations.Single()
            : _normalizations.Contains(PathNormalization.DecodeAndMergeSlashes) ? PathNormalization.DecodeAndMergeSlashes
            : _normalizations.Contains(PathNormalization.MergeSlashes) ? PathNormalization.MergeSlashes
            : PathNormalization.Base;

        public bool ExpectsProxyHeader { get; set; }

        public bool LogsAccess => !_any || _logs;

        public Mesh.Gateway Gateway() => new()
        {
            Namespace = node.Namespace,
            Name = node.Gateway,
            ClassName = ClassName,
            Listeners = _listeners.ToImmutable(),
            NumTrustedProxies = _trustedProxies,
            ExpectsProxyHeader = ExpectsProxyHeader,
            Headers = _chains.Select(static entry => entry.Chain.Http).OfType<ChainHttp>().FirstOrDefault()?.Headers ?? ProxyHeaders.Default,
            ClientValidationByPort = _validations.ToImmutable(),
        };

        public PlaceConfiguration Place() => new() { Policies = ChainPolicies.Join(_policies), Authentications = _tokens is null ? [] : [_tokens], Telemetry = TelemetryAssembly.Of(_chains, problems) };

        /// <summary>Counts which connections a chain wants.</summary>
        public void Expect(int port, EnvoyChain chain)
        {
            foreach (var name in NamesOf(port, chain))
            {
                _claims[name] = _claims.GetValueOrDefault(name) + 1;
            }
        }

        /// <summary>Takes the authorizers of a chain; two of one name for requests must be the same.</summary>
        public void Authorize(int port, EnvoyChain chain)
        {
            foreach (var authorizer in chain.Authorizers)
            {
                if (!Authorizers.TryAdd(authorizer.Name, authorizer) && chain.Http is not null && !Authorizers[authorizer.Name].Equals(authorizer))
                {
                    _unauthorized[chain] = problems.Add($"listener {port}", $"the external authorizer {authorizer.Name} is another one than at other listeners");
                }
            }
        }

        public void Add(int port, EnvoyChain chain, bool hasProxyHeader, IPAddress? bind)
        {
            var blocked = chain.Blocked ?? _unauthorized.GetValueOrDefault(chain);
            if (hasProxyHeader != ExpectsProxyHeader)
            {
                blocked ??= problems.Add($"listener {port}", "the PROXY protocol, at some listeners and not at others");
            }

            if (NamesOf(port, chain).FirstOrDefault(name => _claims[name] > 1) is { } twice)
            {
                blocked ??= problems.Add($"listener {twice}", "two chains for the same connections");
            }

            if (chain.Http is { } http)
            {
                if (_any && !Equals(_tokens, chain.Tokens))
                {
                    blocked ??= problems.Add($"listener {port}", "other tokens than at other listeners");
                }

                _trustedProxies = _any ? Math.Min(_trustedProxies, http.TrustedHops) : http.TrustedHops;
                _tokens = _any ? _tokens : chain.Tokens;
                _any = true;
                _normalizations.Add(http.Normalization);
            }

            _logs |= chain.IsLogged;
            _chains.Add((port, chain));
            _policies.Add(new ChainPlace(port, chain.ServerNames, chain.Policies));
            var validation = chain.Tls is { Authorities: { } authorities, AcceptsUntrusted: true }
                ? new ClientValidation([new ObjectReference("", "ConfigMap", node.Namespace, authorities)], AllowsInsecureFallback: true)
                : null;
            if (chain.Tls is { AcceptsUntrusted: true } && !_validations.TryAdd(port, validation) && !Equals(_validations[port], validation))
            {
                blocked ??= problems.Add($"listener {port}", "clients that are verified in several ways at one port");
            }

            foreach (var serverName in NamesOf(chain))
            {
                Listen(port, serverName, chain, bind, blocked);
            }
        }

        private static IEnumerable<string> NamesOf(EnvoyChain chain) =>
            chain.ServerNames.IsEmpty ? [""] : chain.ServerNames.Select(static name => name == "*" ? "" : name).Distinct(StringComparer.OrdinalIgnoreCase);

        private static IEnumerable<string> NamesOf(int port, EnvoyChain chain) => NamesOf(chain).Select(name => NameOf(port, name));

        private static string NameOf(int port, string serverName) => serverName.Length == 0 ? $"{port}" : $"{port} {serverName}";

        private void Listen(int port, string serverName, EnvoyChain chain, IPAddress? bind, string? blocked)
        {
            var name = NameOf(port, serverName);
            var protocol = chain switch
            {
                { Http: not null, Tls: null } => "HTTP",
                { Http: not null } => "HTTPS",
                { Tls: not null } => "TLS",
                _ => chain.ServerNames.IsEmpty ? "TCP" : "TLS",
            };
            if (!_listening.Add(name))
            {
                // The first one of those that want the same connections is there, and answers with an error.
                return;
            }

            _listeners.Add(new GatewayListener(name, port, protocol, serverName.Length == 0 ? null : serverName, AllowedNamespaces.All, null)
            {
                AllowedKinds = protocol is "HTTP" or "HTTPS" ? [new RouteKind(Group, HttpRoute.VirtualService)] : [],
                TerminatesTls = chain.Tls is not null,
                Bind = bind,
                RequiresTls13 = chain.Tls?.RequiresTls13 ?? false,
                ForbidsTls13 = chain.Tls?.ForbidsTls13 ?? false,
                Clients = chain.Tls is { Authorities: { } authorities, AcceptsUntrusted: false } tls
                    ? new IstioClientValidation([authorities], !tls.RequiresClient) { SubjectAltNames = tls.ClientNames }
                    : null,
                Certificates = [.. chain.Tls?.Certificates.Select(secret => new ObjectReference("", "Secret", node.Namespace, blocked is null ? secret : $"none, for it is {blocked}")) ?? []],
            });
            var parent = new ObjectReference(Group, "Gateway", node.Namespace, node.Gateway, name, port);
            if (chain.Http is { } http)
            {
                Route(name, parent, http, blocked);
            }
            else if (blocked is null)
            {
                var route = new StreamRoute
                {
                    Kind = protocol == "TCP" || chain.Tls is not null ? "TCPRoute" : "TLSRoute",
                    Namespace = node.Namespace,
                    Name = name,
                    ParentRefs = [parent],
                    Hostnames = serverName.Length == 0 || protocol == "TCP" || chain.Tls is not null ? [] : [serverName],
                    Backends = PlaceAssembly.Backends(chain.Clusters, node.Namespace),
                    Limits = chain.Limits,
                };
                (route.Kind == "TCPRoute" ? TcpRoutes : TlsRoutes)[route.Key] = route;
            }
        }

        private void Route(string name, ObjectReference parent, ChainHttp http, string? blocked)
        {
            var table = http.Routes ?? (http.RouteName is { } routeName ? routes.GetValueOrDefault(routeName) : null);
            blocked ??= table is null ? "waiting for its routes" : table.Unknown;
            foreach (var host in blocked is null ? table?.Hosts ?? [] : [new RouteHost(["*"], [Unserved(blocked)], false)])
            {
                var route = new HttpRoute
                {
                    Kind = HttpRoute.VirtualService,
                    Namespace = node.Namespace,
                    Name = $"{name} {host.Domains.FirstOrDefault()}",
                    ParentRefs = [parent],
                    Hostnames = host.Domains.Contains("*") ? [] : host.Domains,
                    Rules = host.RequiresTls ? [ToTls] : host.Rules,
                };
                HttpRoutes[route.Key] = route;
            }
        }

        private static TrafficRule ToTls { get; } = new()
        {
            Name = "to https",
            Matches = [new TrafficMatch()],
            Action = new RedirectAction(new RequestRedirect("https", null, null, null, 301)),
        };

        private static TrafficRule Unserved(string why) => new() { Matches = [new TrafficMatch()], Unsupported = [why], UnsupportedStatus = 503 };
    }
}
