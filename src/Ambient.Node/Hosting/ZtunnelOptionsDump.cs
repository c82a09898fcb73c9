using System.Globalization;
using System.Text.Json;

namespace Ambient.Node.Hosting;

/// <summary>The settings of a ztunnel in the JSON of its config dump, under the reference's names and in alphabetical order.</summary>
internal static class ZtunnelOptionsDump
{
    /// <summary>Writes the object.</summary>
    public static void Write(Utf8JsonWriter json, ZtunnelOptions options)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(options);
        var host = options.Host;
        json.WriteStartObject();
        json.WriteStartObject("adminAddr");
        json.WriteStartArray("Localhost");
        json.WriteBooleanValue(false);
        json.WriteNumberValue(options.AdminPort + host.PortOffset);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteNull("altCaHostname");
        json.WriteNull("altXdsHostname");
        json.WriteNull("caAddress");
        Empty(json, "caHeaders");
        json.WriteString("caRootCert", "Static");
        json.WriteString("clusterDomain", host.ClusterDomain);
        json.WriteString("clusterId", host.ClusterId);
        json.WriteNumber("connectionWindowSize", options.ConnectionWindowSize);
        json.WriteNull("crlPath");
        json.WriteBoolean("dnsProxy", false);
        json.WriteBoolean("enableEnhancedBaggage", options.ResponseBaggage);
        json.WriteBoolean("fakeCa", options.FakeAuthority);
        json.WriteBoolean("fakeSelfInbound", false);
        json.WriteNumber("frameSize", options.FrameSize);
        json.WriteStartArray("illegalPorts");
        foreach (var port in new Capture.ReservedPorts(options.Socks5 || options.Mode == ZtunnelMode.Loopback).Numbers)
        {
            json.WriteNumberValue(port);
        }

        json.WriteEndArray();
        var any = host.IPv6Enabled ? "[::]" : "0.0.0.0";
        json.WriteString("inboundAddr", $"{any}:15008");
        json.WriteString("inboundPlaintextAddr", $"{any}:15006");

        // Of the reference's in-pod mode; nothing of ours depends on them yet.
        json.WriteBoolean("inpodPortReuse", true);
        json.WriteString("inpodUds", "/var/run/ztunnel/ztunnel.sock");
        json.WriteBoolean("ipv6Enabled", host.IPv6Enabled);
        TextOrNull(json, "localNode", host.NodeName);
        json.WriteBoolean("localhostAppTunnel", true);
        json.WriteString("network", host.Network);
        json.WriteNumber("numWorkerThreads", options.WorkerThreads);
        json.WriteString("outboundAddr", $"{any}:15001");
        if (options.PacketMark is { } mark)
        {
            json.WriteNumber("packetMark", mark);
        }
        else
        {
            json.WriteNull("packetMark");
        }

        json.WriteNumber("poolMaxStreamsPerConn", options.PoolMaxStreams);
        Duration(json, "poolUnusedReleaseTimeout", options.PoolUnusedReleaseTimeout);
        json.WriteNull("preferedServiceNamespace");
        json.WriteBoolean("proxy", true);
        json.WriteString("proxyArgs", "");
        json.WriteStartObject("proxyMetadata");
        json.WriteEndObject();
        json.WriteString("proxyMode", options.Mode.ToString());
        if (options.Workload is { } workload)
        {
            json.WriteStartObject("proxyWorkloadInformation");
            json.WriteString("name", workload.Name);
            json.WriteString("namespace", workload.Namespace);
            json.WriteString("serviceAccount", workload.ServiceAccount);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("proxyWorkloadInformation");
        }

        SocketAddress(json, "readinessAddr", $"{any}:{Port(15021, host)}");
        if (options.EnableOriginalSource is { } original)
        {
            json.WriteBoolean("requireOriginalSource", original);
        }
        else
        {
            json.WriteNull("requireOriginalSource");
        }

        Duration(json, "secretTtl", host.SecretTtl);
        Duration(json, "selfTerminationDeadline", host.TerminationDeadline);
        json.WriteStartObject("socketConfig");
        json.WriteBoolean("keepaliveEnabled", options.KeepAlive);
        Duration(json, "keepaliveInterval", options.KeepAliveInterval);
        json.WriteNumber("keepaliveRetries", options.KeepAliveRetries);
        Duration(json, "keepaliveTime", options.KeepAliveTime);
        json.WriteBoolean("userTimeoutEnabled", options.UserTimeout);
        json.WriteEndObject();
        TextOrNull(json, "socks5Addr", options.Socks5 ? "127.0.0.1:15080" : null);
        SocketAddress(json, "statsAddr", $"{any}:{Port(options.StatsPort, host)}");
        json.WriteNumber("windowSize", options.StreamWindowSize);
        json.WriteNull("xdsAddress");
        Empty(json, "xdsHeaders");
        json.WriteBoolean("xdsOnDemand", options.Xds is { OnDemand: true });
        json.WriteString("xdsRootCert", "Static");
        json.WriteNull("ztunnelIdentity");
        json.WriteNull("ztunnelWorkload");
        json.WriteEndObject();
    }

    private static string Port(int port, HostOptions host) => (port + host.PortOffset).ToString(CultureInfo.InvariantCulture);

    private static void SocketAddress(Utf8JsonWriter json, string name, string address)
    {
        json.WriteStartObject(name);
        json.WriteString("SocketAddr", address);
        json.WriteEndObject();
    }

    private static void Duration(Utf8JsonWriter json, string name, TimeSpan value)
    {
        json.WriteStartObject(name);
        json.WriteNumber("nanos", value.Ticks % TimeSpan.TicksPerSecond * 100);
        json.WriteNumber("secs", value.Ticks / TimeSpan.TicksPerSecond);
        json.WriteEndObject();
    }

    private static void Empty(Utf8JsonWriter json, string name)
    {
        json.WriteStartArray(name);
        json.WriteEndArray();
    }

    private static void TextOrNull(Utf8JsonWriter json, string name, string? value)
    {
        if (value is null)
        {
            json.WriteNull(name);
        }
        else
        {
            json.WriteString(name, value);
        }
    }
}
