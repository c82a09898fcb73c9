using System.Text;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>Names of the types that are known of what istiod configures an Envoy with.</summary>
internal static class EnvoyTypes
{
    private const string Prefix = "type.googleapis.com/";

    /// <summary>A cluster.</summary>
    public const string Cluster = Prefix + "envoy.config.cluster.v3.Cluster";

    /// <summary>The endpoints of a cluster.</summary>
    public const string Assignment = Prefix + "envoy.config.endpoint.v3.ClusterLoadAssignment";

    /// <summary>A listener.</summary>
    public const string Listener = Prefix + "envoy.config.listener.v3.Listener";

    /// <summary>Routes.</summary>
    public const string Routes = Prefix + "envoy.config.route.v3.RouteConfiguration";

    /// <summary>A filter that comes by itself.</summary>
    public const string Extension = Prefix + "envoy.config.core.v3.TypedExtensionConfig";

    /// <summary>A certificate with its key, or authorities.</summary>
    public const string Secret = Prefix + "envoy.extensions.transport_sockets.tls.v3.Secret";

    /// <summary>A workload.</summary>
    public const string Workload = Prefix + "istio.workload.Workload";

    /// <summary>HTTP of a filter chain.</summary>
    public const string HttpConnectionManager = Prefix + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

    /// <summary>Bytes of a filter chain.</summary>
    public const string TcpProxy = Prefix + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

    /// <summary>Policies for connections.</summary>
    public const string NetworkRules = Prefix + "envoy.extensions.filters.network.rbac.v3.RBAC";

    /// <summary>Policies for requests.</summary>
    public const string HttpRules = Prefix + "envoy.extensions.filters.http.rbac.v3.RBAC";

    /// <summary>Tokens.</summary>
    public const string Tokens = Prefix + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";

    /// <summary>An external authorizer of requests.</summary>
    public const string HttpAuthorizer = Prefix + "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";

    /// <summary>Faults: of a chain, where it is empty, and of a route.</summary>
    public const string Fault = Prefix + "envoy.extensions.filters.http.fault.v3.HTTPFault";

    /// <summary>What browsers may do, of a route.</summary>
    public const string CorsPolicy = Prefix + "envoy.extensions.filters.http.cors.v3.CorsPolicy";

    /// <summary>A comparison of a path with a template.</summary>
    public const string UriTemplate = Prefix + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";

    /// <summary>A message of a type that is named in it.</summary>
    public const string TypedStruct = Prefix + "udpa.type.v1.TypedStruct";

    /// <summary>The destination's address decides about the chain.</summary>
    public const string IPMatcher = Prefix + "xds.type.matcher.v3.IPMatcher";

    /// <summary>The destination's address is what is looked up.</summary>
    public const string DestinationIP = Prefix + "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput";

    /// <summary>The destination's port decides.</summary>
    public const string DestinationPort = Prefix + "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput";

    /// <summary>What the client speaks decides.</summary>
    public const string ApplicationProtocol = Prefix + "envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput";

    /// <summary>Something that an earlier listener has found out decides.</summary>
    public const string FilterState = Prefix + "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput";

    /// <summary>A text, the name of a chain.</summary>
    public const string Text = Prefix + "google.protobuf.StringValue";

    /// <summary>An internal listener in front of an endpoint.</summary>
    public const string InternalUpstream = Prefix + "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport";

    /// <summary>No protection.</summary>
    public const string RawBuffer = Prefix + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

    /// <summary>The PROXY protocol before anything else.</summary>
    public const string ProxyProtocol = Prefix + "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";

    /// <summary>TLS to an endpoint.</summary>
    public const string UpstreamTls = Prefix + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

    /// <summary>TLS of clients.</summary>
    public const string DownstreamTls = Prefix + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

    /// <summary>How endpoints are spoken to.</summary>
    public const string UpstreamHttp = Prefix + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

    /// <summary>An external authorizer of connections.</summary>
    public const string NetworkAuthorizer = Prefix + "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz";

    /// <summary>Translation of gRPC-Web.</summary>
    public const string GrpcWeb = Prefix + "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb";

    /// <summary>A cluster whose endpoints are found by the names that requests mean.</summary>
    public const string DynamicHosts = Prefix + "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";

    /// <summary>Looks up the host that a request names.</summary>
    public const string DynamicHostsOfRequests = Prefix + "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig";

    /// <summary>Looks up the server name of a connection.</summary>
    public const string DynamicHostsOfConnections = Prefix + "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig";

    /// <summary>What sends a request on, the last of a chain's filters.</summary>
    public const string Router = Prefix + "envoy.extensions.filters.http.router.v3.Router";

    /// <summary>Code of an operator's own, for requests.</summary>
    public const string HttpWasm = Prefix + "envoy.extensions.filters.http.wasm.v3.Wasm";

    /// <summary>Code of an operator's own, for connections.</summary>
    public const string NetworkWasm = Prefix + "envoy.extensions.filters.network.wasm.v3.Wasm";

    /// <summary>Changes of headers.</summary>
    public const string HeaderMutation = Prefix + "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";

    /// <summary>Name of the filter by which an annotation tells applications who the client is.</summary>
    public const string ClientIdentityFilter = "istio.waypoint.xfcc_client_identity";

    /// <summary>The type of a resource that a proxy is configured with, from the wire; null: it is none of them.</summary>
    public static string? Find(ReadOnlySpan<byte> type)
    {
        foreach (var known in (ReadOnlySpan<string>)[Cluster, Assignment, Listener, Routes, Extension, Secret])
        {
            if (Ascii.Equals(type, known))
            {
                return known;
            }
        }

        return null;
    }

    private static readonly HashSet<string> s_passive =
    [
        Prefix + "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        Prefix + "envoy.extensions.filters.http.cors.v3.Cors",
        Router,
        Prefix + "envoy.extensions.filters.http.set_filter_state.v3.Config",
        Prefix + "envoy.extensions.filters.network.set_filter_state.v3.Config",
        Prefix + "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy",
        Prefix + "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
        Prefix + "io.istio.http.peer_metadata.Config",
        Prefix + "envoy.tcp.metadataexchange.config.MetadataExchange",
        Prefix + "envoy.extensions.network_filters.peer_metadata.Config",
    ];

    /// <summary>Whether a filter of the type neither lets in nor keeps out, and may be passed over: it counts, logs, or does what is done here anyway.</summary>
    public static bool IsPassive(string type) => s_passive.Contains(type);

    /// <summary>The name of a type, for people.</summary>
    public static string Short(string type) => type[(type.LastIndexOf('/') + 1)..];
}
