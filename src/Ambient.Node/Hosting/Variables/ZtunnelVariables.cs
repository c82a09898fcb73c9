using System.Net;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Variables;

/// <summary>Reads <see cref="ZtunnelOptions"/> from the environment variables of the original (ztunnel <c>config.rs</c>) and our own (docs/operations.md).</summary>
internal static class ZtunnelVariables
{
    private const int SharedMark = 1337;

    /// <summary>Reads all variables; what is wrong is left in <paramref name="variables"/>.</summary>
    public static ZtunnelOptions Read(VariableReader variables) => Read(variables, ProxyConfig.MeshConfiguration);

    /// <summary>Reads all, with the mesh configuration in another file.</summary>
    public static ZtunnelOptions Read(VariableReader variables, string meshConfiguration)
    {
        ArgumentNullException.ThrowIfNull(variables);
        var mesh = ProxyConfig.Read(variables, meshConfiguration);
        var mode = variables.Choice(
            "PROXY_MODE", "shared", "loopback: a loopback address for each workload of the node; dedicated: one workload, redirected; shared: all pods of the node, as the network plugin tells them",
            ("loopback", ZtunnelMode.Loopback), ("dedicated", ZtunnelMode.Dedicated), ("shared", ZtunnelMode.Shared));
        var workload = ReadWorkload(variables, mode);
        var host = HostVariables.Read(variables, mesh);
        ControlPlaneVariables.ReadInto(variables, host, XdsNodeKind.Ztunnel);
        var options = new ZtunnelOptions
        {
            Host = host,
            Mode = mode,
            Workload = workload,
            Dns = ReadDns(variables, host.Xds),
            DnsAddress = ReadDnsAddress(variables),
            PreferredServiceNamespace = variables.OptionalText("PREFERED_SERVICE_NAMESPACE", "namespace whose service a name means where nothing else decides"),
            Self = ReadSelf(variables),
            InPodSocket = variables.Text("INPOD_UDS", "/var/run/ztunnel/ztunnel.sock", "socket of the network plugin")!,
            InPodPortReuse = variables.Boolean("INPOD_PORT_REUSE", true, "let a new ztunnel listen beside the old one in pods"),
            PacketMark = variables.OptionalInteger("PACKET_MARK", 0, int.MaxValue, "1337 in shared mode", "SO_MARK of every socket, which redirection rules leave alone")
                ?? (mode == ZtunnelMode.Shared ? SharedMark : null),
            EnableOriginalSource = variables.OptionalBoolean("ENABLE_ORIG_SRC", "", "connect to workloads from the client's address; not set: where the kernel allows it"),
            ResponseBaggage = variables.Boolean("ENABLE_RESPONSE_BAGGAGE", true, "tell peers about workloads, and use what they tell"),
            LocalhostTunnel = variables.Boolean("LOCALHOST_APP_TUNNEL", true, "reach applications that take tunnels with the PROXY protocol on their pod's loopback"),
            LogPolicyDecisions = variables.Switch("AUTHZ_POLICY_INFO_LOGGING", "log what policies decide, dry-run ones too, at info instead of debug"),
            StreamWindowSize = variables.Integer("HTTP2_STREAM_WINDOW_SIZE", 4194304, 65535, int.MaxValue, "flow-control window of a stream, bytes"),
            ConnectionWindowSize = variables.Integer("HTTP2_CONNECTION_WINDOW_SIZE", 16777216, 65535, int.MaxValue, "flow-control window of a connection, bytes"),
            FrameSize = variables.Integer("HTTP2_FRAME_SIZE", 1048576, 16384, 16777215, "largest HTTP/2 frame, bytes"),
            PoolMaxStreams = variables.Integer("POOL_MAX_STREAMS_PER_CONNECTION", 100, 1, 65535, "streams that one pooled connection carries"),
            MaxConnections = variables.Integer("AMBIENT_MAX_CONNECTIONS", 16_384, 1, 10_000_000, "HBONE connections that are accepted at a time, over all workloads"),
            MaxConnectionsPerPeer = variables.Integer("AMBIENT_MAX_CONNECTIONS_PER_PEER", 1_024, 1, 10_000_000, "HBONE connections that are accepted from one address at a time"),
            PoolUnusedReleaseTimeout = variables.Duration("POOL_UNUSED_RELEASE_TIMEOUT", "5m", "how long an unused pooled connection stays"),
            KeepAlive = variables.Boolean("KEEPALIVE_ENABLED", true, "TCP keepalive"),
            KeepAliveTime = Seconds(variables, "KEEPALIVE_TIME", "180s", "idle time before the first probe"),
            KeepAliveInterval = Seconds(variables, "KEEPALIVE_INTERVAL", "180s", "time between probes"),
            KeepAliveRetries = variables.Integer("KEEPALIVE_RETRIES", 9, 1, 127, "unanswered probes after which a connection is dead"),
            UserTimeout = variables.Boolean("USER_TIMEOUT_ENABLED", false, "set TCP_USER_TIMEOUT to as long as keepalive takes"),
            Socks5 = variables.Boolean("UNSTABLE_ENABLE_SOCKS5", false, "SOCKS5 on 127.0.0.1:15080 of each pod; loopback mode always has it"),
            WorkerThreads = WorkerThreadsVariable.Read(variables, Environment.ProcessorCount),
            AdminPort = variables.Number(ZtunnelOptions.AdminPortSetting, ZtunnelOptions.DefaultAdminPort),
            StatsPort = variables.Number(ZtunnelOptions.StatsPortSetting, ZtunnelOptions.DefaultStatsPort),
            Proxy = variables.Boolean("ENABLE_PROXY", true, "carry traffic; false: only answer questions for names"),
        };
        if (!options.Proxy && !options.AnswersNames)
        {
            variables.Fail("ENABLE_PROXY=false: without proxy and DNS there is nothing to do");
        }

        foreach (var (port, what) in new[] { (options.AdminPort, ZtunnelOptions.AdminPortSetting), (options.StatsPort, ZtunnelOptions.StatsPortSetting) })
        {
            if (port + host.PortOffset > ushort.MaxValue)
            {
                variables.Fail($"{what} of ProxyConfig: with AMBIENT_PORT_OFFSET it is port {port + host.PortOffset}, and there is none above {ushort.MaxValue}");
            }
        }

        Refuse(variables);
        return options;
    }

    private static ProxyWorkload? ReadWorkload(VariableReader variables, ZtunnelMode mode)
    {
        var text = variables.OptionalText("PROXY_WORKLOAD_INFO", "the workload of dedicated mode: namespace/name/serviceaccount");
        if (mode != ZtunnelMode.Dedicated)
        {
            return null;
        }

        if (text?.Split('/') is [{ Length: > 0 } ns, { Length: > 0 } name, { Length: > 0 } serviceAccount])
        {
            return new ProxyWorkload(ns, name, serviceAccount);
        }

        variables.Fail(text is null
            ? "PROXY_WORKLOAD_INFO: dedicated mode needs it: namespace/name/serviceaccount"
            : $"PROXY_WORKLOAD_INFO: \"{text}\" is not namespace/name/serviceaccount");
        return null;
    }

    private static bool ReadDns(VariableReader variables, XdsOptions? xds)
    {
        // As the reference: everything but "true" turns it off.
        var on = variables.OptionalText("ISTIO_META_DNS_CAPTURE", "true: questions for names are answered on 15053; anything else: they are not; not set: true") is null or "true";
        if (on && xds is { OnDemand: true })
        {
            variables.Fail("XDS_ON_DEMAND=true: the DNS proxy has to know all names; set ISTIO_META_DNS_CAPTURE=false beside it");
        }

        return on;
    }

    private static IPEndPoint? ReadDnsAddress(VariableReader variables)
    {
        var text = variables.OptionalText("ISTIO_META_DNS_PROXY_ADDR", "where they are answered: localhost:15053, or an address with a port");
        if (text is null || text == "localhost:15053")
        {
            return null;
        }

        var full = text.Replace("localhost:", "127.0.0.1:", StringComparison.Ordinal);
        if (IPEndPoint.TryParse(full, out var address) && address.Port > 0)
        {
            return address;
        }

        variables.Fail($"ISTIO_META_DNS_PROXY_ADDR: \"{text}\" is neither localhost:PORT nor an address with a port");
        return null;
    }

    private static ProxyWorkload? ReadSelf(VariableReader variables)
    {
        return variables.Value("SERVICE_ACCOUNT") is { Length: > 0 } serviceAccount && variables.Value("POD_NAME") is { Length: > 0 } name && variables.Value("POD_NAMESPACE") is { Length: > 0 } ns
            ? new ProxyWorkload(ns, name, serviceAccount)
            : null;
    }

    private static TimeSpan Seconds(VariableReader variables, string name, string byDefault, string meaning)
    {
        var value = variables.Duration(name, byDefault, meaning);
        if (value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromSeconds(32767))
        {
            return value;
        }

        variables.Fail($"{name}: must be 1 to 32767 seconds");
        return TimeSpan.FromSeconds(180);
    }

    /// <summary>What the reference has and we do not do. Weaker than asked for is said; that more was asked for than is kept stops the start.</summary>
    private static void Refuse(VariableReader variables)
    {
        variables.NotYet("TLS12_ENABLED", "allow TLS 1.2", "only TLS 1.3 is spoken, here and by every ztunnel and waypoint");
        if (variables.OptionalText("COMPLIANCE_POLICY", "a policy for TLS: none is supported, and a start with one is refused") is { } policy)
        {
            variables.Fail($"COMPLIANCE_POLICY: \"{policy}\" cannot be held: .NET does not let a program choose the groups of its key exchange. "
                + "Choose them for the whole process in an openssl.cnf (OPENSSL_CONF, Groups = X25519MLKEM768, OpenSSL 3.5), and unset this");
        }
    }
}
