using System.Collections.Immutable;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Variables;

/// <summary>
/// Reads <see cref="WaypointOptions"/> from environment variables, and from what istiod's gateway deployer gives the pods that it makes:
/// arguments of the proxy, a token, a root certificate and the pod's own labels.
/// </summary>
internal static class WaypointVariables
{
    /// <summary>Where a pod finds its own labels (downward API).</summary>
    public const string PodLabelsFile = "./etc/istio/pod/labels";

    private const string GatewayNameLabel = "gateway.networking.k8s.io/gateway-name";

    /// <summary>Reads all; what is wrong is left in <paramref name="variables"/>.</summary>
    public static WaypointOptions Read(VariableReader variables) => Read(variables, ProxyConfig.MeshConfiguration, PodLabelsFile);

    /// <summary>Reads all, with the pod's files at other places.</summary>
    public static WaypointOptions Read(VariableReader variables, string meshConfiguration, string podLabels)
    {
        ArgumentNullException.ThrowIfNull(variables);
        var mesh = ProxyConfig.Read(variables, meshConfiguration);
        ReadArguments(variables);
        var labels = PodLabels.Read(podLabels);
        var name = variables.OptionalText("GATEWAY_NAME", $"name of the Gateway to serve: class istio-waypoint (a waypoint) or istio (an ingress gateway); not set: the label {GatewayNameLabel} in {PodLabelsFile}")
            ?? labels.GetValueOrDefault(GatewayNameLabel);
        if (name is null)
        {
            variables.Fail($"GATEWAY_NAME: must be set to the name of the Gateway to serve; there is no label {GatewayNameLabel} in {PodLabelsFile} either");
        }

        var ns = variables.OptionalText("POD_NAMESPACE", "namespace of that Gateway");
        if (ns is null)
        {
            variables.Fail("POD_NAMESPACE: must be set to the namespace of the Gateway");
        }

        var host = HostVariables.Read(variables, mesh);
        var kind = variables.Arguments is [_, "router", ..] ? XdsNodeKind.Router : XdsNodeKind.Waypoint;
        ControlPlaneVariables.ReadInto(variables, host, kind);
        if (host.Xds is { } xds)
        {
            host.Xds = xds with
            {
                Metadata = WithDefault(WithDefault(xds.Metadata, "CLUSTER_ID", host.ClusterId), "NETWORK", host.Network),
                JsonMetadata = xds.JsonMetadata.ContainsKey("LABELS") ? xds.JsonMetadata : xds.JsonMetadata.SetItem("LABELS", PodLabels.ToJson(labels)),
            };
        }

        return new WaypointOptions
        {
            Host = host,
            GatewayName = name ?? "",
            Namespace = ns ?? "",
            PodName = variables.OptionalText("POD_NAME", "name of our own pod; not set: the one that the Gateway expands to"),
            IsGateway = kind == XdsNodeKind.Router,
            AsksForRequests = host is { Xds: not null, Manifests: null },
            MaxConnections = variables.Integer("AMBIENT_MAX_CONNECTIONS", 16_384, 1, 10_000_000, "HBONE connections that are accepted at a time"),
            MaxConnectionsPerPeer = variables.Integer("AMBIENT_MAX_CONNECTIONS_PER_PEER", 1_024, 1, 10_000_000, "HBONE connections that are accepted from one address at a time"),
            StreamIdleTimeout = StreamIdleTimeout(variables),
            DrainDuration = TimeSpan.FromSeconds(variables.Integer(
                "TERMINATION_DRAIN_DURATION_SECONDS", 5, 0, 3600, "how long connections are still accepted at shutdown, while clients are told to go elsewhere; at most half of what open connections get")),
            LogPolicyDecisions = variables.Switch("AUTHZ_POLICY_INFO_LOGGING", "log what policies decide, dry-run ones too, at info instead of debug"),
            ListenerPortOffset = variables.Integer(
                "AMBIENT_LISTENER_PORT_OFFSET", 0, 0, 60000, "added to an ingress gateway's listener ports when binding, for users who may not bind ports below 1024"),
        };
    }

    private static ImmutableSortedDictionary<string, string> WithDefault(ImmutableSortedDictionary<string, string> metadata, string key, string value) =>
        value.Length == 0 || metadata.ContainsKey(key) ? metadata : metadata.SetItem(key, value);

    private static TimeSpan StreamIdleTimeout(VariableReader variables)
    {
        var value = variables.Duration("AMBIENT_STREAM_IDLE_TIMEOUT", "1h", "how long a request may go on while nothing of it or its answer moves");
        if (value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromDays(365))
        {
            return value;
        }

        variables.Fail("AMBIENT_STREAM_IDLE_TIMEOUT: must be from 1 second to 365 days");
        return TimeSpan.FromHours(1);
    }

    /// <summary>Of <c>proxy waypoint --domain NAMESPACE.svc.DOMAIN ...</c>, what is needed: the rest is for Envoy.</summary>
    private static void ReadArguments(VariableReader variables)
    {
        var arguments = variables.Arguments;
        for (var i = 0; i + 1 < arguments.Count; i++)
        {
            const string Services = ".svc.";
            if (arguments[i] == "--domain" && arguments[i + 1].IndexOf(Services, StringComparison.Ordinal) is >= 0 and var at)
            {
                variables.Default("CLUSTER_DOMAIN", arguments[i + 1][(at + Services.Length)..]);
            }
        }

        if (variables.Value("ISTIO_META_NETWORK") is { Length: > 0 } network)
        {
            variables.Default("NETWORK", network);
        }
    }
}
