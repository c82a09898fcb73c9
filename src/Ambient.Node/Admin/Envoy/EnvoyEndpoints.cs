using Ambient.Node.Admin.Server;

namespace Ambient.Node.Admin.Envoy;

/// <summary>The paths of Envoy's admin endpoint that istioctl and pilot-agent ask, for a host that istiod configures as an Envoy.</summary>
internal static class EnvoyEndpoints
{
    /// <summary>Lines for the page of the endpoint.</summary>
    public const string Links =
        """<li><a href="/config_dump?include_eds">/config_dump</a>: what istiod sent and is in use, in Envoy's form, as <code>istioctl proxy-config</code> reads it</li><li><a href="/clusters">/clusters</a>, <a href="/listeners">/listeners</a>, <a href="/certs">/certs</a>, <a href="/server_info">/server_info</a>, <a href="/stats">/stats</a>, <a href="/stats/prometheus">/stats/prometheus</a>, <a href="/ready">/ready</a>, <a href="/memory">/memory</a>: the rest of it</li>""";

    /// <summary>Answers a request; null: the path is none of Envoy's.</summary>
    public static AdminResponse? Answer(EnvoyHost host, AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(request);
        return request.Path switch
        {
            "/config_dump" => new EnvoyConfigDump(host).Answer(request),
            "/clusters" => ClusterStatuses.Answer(host, request),
            "/listeners" => ListenerStatuses.Answer(host, request),
            "/certs" => CertificateList.Answer(host),
            "/server_info" => ServerInfo.Answer(host),
            "/ready" => ServerInfo.Ready(host),
            "/memory" => ServerInfo.Memory(),
            "/stats" => ServerStats.Answer(host, request),
            "/stats/prometheus" => ServerStats.Prometheus(host),
            "/logging" => EnvoyLogging.Answer(host.Loggers, request),
            _ => null,
        };
    }
}
