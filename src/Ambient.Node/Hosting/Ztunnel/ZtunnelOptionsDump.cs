using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Ambient.Node.ControlPlane;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>The settings of a ztunnel in the JSON of its config dump, under the reference's names and in alphabetical order.</summary>
internal static class ZtunnelOptionsDump
{
    /// <summary>The object in one line, for the log.</summary>
    public static string Line(ZtunnelOptions options)
    {
        var buffer = new ArrayBufferWriter<byte>(4 * 1024);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            Write(json, options);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Writes the object.</summary>
    public static void Write(Utf8JsonWriter json, ZtunnelOptions options)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(options);
        var host = options.Host;
        json.WriteStartObject();
        Localhost(json, "adminAddr", host, options.AdminPort + host.PortOffset);
        TextOrNull(json, "altCaHostname", host.CertificateAuthority?.AlternativeName);
        TextOrNull(json, "altXdsHostname", host.Xds?.Server.AlternativeName);
        TextOrNull(json, "caAddress", Text(host.CertificateAuthority?.Address));
        HeaderNames(json, "caHeaders", host.CertificateAuthority);
        RootCertificate(json, "caRootCert", host.CertificateAuthority);
        json.WriteString("clusterDomain", host.ClusterDomain);
        json.WriteString("clusterId", host.ClusterId);
        json.WriteNumber("connectionWindowSize", options.ConnectionWindowSize);
        TextOrNull(json, "crlPath", host.RevocationFile);
        json.WriteBoolean("dnsProxy", options.AnswersNames);
        if (options.DnsAddress is { } dns)
        {
            SocketAddress(json, "dnsProxyAddr", dns.ToString());
        }
        else
        {
            Localhost(json, "dnsProxyAddr", host, ZtunnelOptions.DnsPort);
        }

        json.WriteBoolean("enableEnhancedBaggage", options.ResponseBaggage);
        json.WriteBoolean("fakeCa", host.FakeAuthority);
        json.WriteBoolean("fakeSelfInbound", false);
        json.WriteNumber("frameSize", options.FrameSize);
        json.WriteStartArray("illegalPorts");
        foreach (var port in new Connections.ReservedPorts(options.Socks5 || options.Mode == ZtunnelMode.Loopback).Numbers)
        {
            json.WriteNumberValue(port);
        }

        json.WriteEndArray();
        var any = host.IPv6Enabled ? "[::]" : "0.0.0.0";
        json.WriteString("inboundAddr", $"{any}:15008");
        json.WriteString("inboundPlaintextAddr", $"{any}:15006");
        json.WriteBoolean("inpodPortReuse", options.InPodPortReuse);
        json.WriteString("inpodUds", options.InPodSocket);
        json.WriteBoolean("ipv6Enabled", host.IPv6Enabled);
        TextOrNull(json, "localNode", host.NodeName);
        json.WriteBoolean("localhostAppTunnel", options.LocalhostTunnel);
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
        TextOrNull(json, "preferedServiceNamespace", options.PreferredServiceNamespace);
        json.WriteBoolean("proxy", options.Proxy);
        json.WriteString("proxyArgs", string.Join(' ', Environment.GetCommandLineArgs().AsSpan(1)));
        json.WriteStartObject("proxyMetadata");
        foreach (var (name, value) in host.Xds?.Metadata ?? ImmutableSortedDictionary<string, string>.Empty)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteString("proxyMode", options.Mode.ToString());
        Workload(json, "proxyWorkloadInformation", options.Workload);
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
        if (host.WorkloadApi is { } agent)
        {
            // Not the reference's, which has no such authority.
            json.WriteString("spiffeEndpointSocket", agent.Text);
        }

        SocketAddress(json, "statsAddr", $"{any}:{Port(options.StatsPort, host)}");
        json.WriteNumber("windowSize", options.StreamWindowSize);
        TextOrNull(json, "xdsAddress", Text(host.Xds?.Server.Address));
        HeaderNames(json, "xdsHeaders", host.Xds?.Server);
        json.WriteBoolean("xdsOnDemand", host.Xds is { OnDemand: true });
        RootCertificate(json, "xdsRootCert", host.Xds?.Server);
        TextOrNull(json, "ztunnelIdentity", options.Self is { } self ? $"spiffe://{host.TrustDomain}/ns/{self.Namespace}/sa/{self.ServiceAccount}" : null);
        Workload(json, "ztunnelWorkload", options.Self);
        json.WriteEndObject();
    }

    private static string Port(int port, NodeOptions host) => (port + host.PortOffset).ToString(CultureInfo.InvariantCulture);

    /// <summary>An address as an operator writes it, without the slash that <see cref="Uri"/> adds for the empty path.</summary>
    private static string? Text(Uri? address) => address?.AbsoluteUri.TrimEnd('/');

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

    private static void Localhost(Utf8JsonWriter json, string name, NodeOptions host, int port)
    {
        json.WriteStartObject(name);
        json.WriteStartArray("Localhost");
        json.WriteBooleanValue(host.IPv6Enabled);
        json.WriteNumberValue(port);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Workload(Utf8JsonWriter json, string name, ProxyWorkload? workload)
    {
        if (workload is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        json.WriteString("name", workload.Name);
        json.WriteString("namespace", workload.Namespace);
        json.WriteString("serviceAccount", workload.ServiceAccount);
        json.WriteEndObject();
    }

    /// <summary>Names alone: what they are set to may be a password.</summary>
    private static void HeaderNames(Utf8JsonWriter json, string name, ControlPlaneOptions? server)
    {
        json.WriteStartArray(name);
        foreach (var (header, _) in server?.Headers ?? [])
        {
            json.WriteStringValue(header);
        }

        json.WriteEndArray();
    }

    private static void RootCertificate(Utf8JsonWriter json, string name, ControlPlaneOptions? server)
    {
        var roots = server?.Roots ?? ControlPlaneOptions.DefaultRoots;
        if (File.Exists(roots))
        {
            json.WriteStartObject(name);
            json.WriteString("File", roots);
            json.WriteEndObject();
        }
        else
        {
            json.WriteString(name, roots == ControlPlaneOptions.SystemRoots ? "Default" : "Static");
        }
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
