using Ambient.Node.Hosting.Options;
using Ambient.Node.Member;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>
/// Gives a node what the application says of its mesh, then what the section <c>Ambient:Ztunnel</c> or <c>Ambient:Waypoint</c> says of the node:
/// every setting that its options have, under the same name. What is wrong with the section is for the validator to tell.
/// </summary>
internal sealed class NodeOptionsSetup(IOptions<AmbientMeshOptions> mesh, IConfiguration? configuration = null) : IConfigureOptions<ZtunnelOptions>, IConfigureOptions<WaypointOptions>
{
    /// <inheritdoc/>
    public void Configure(ZtunnelOptions options)
    {
        var section = SectionOf("Ztunnel");
        options.Host = HostOf(mesh.Value, section);
        options.Mode = section.Choice(nameof(options.Mode), options.Mode);
        options.Workload = section.Workload(nameof(options.Workload), options.Workload);
        options.InPodSocket = section.Text(nameof(options.InPodSocket), options.InPodSocket)!;
        options.InPodPortReuse = section.Boolean(nameof(options.InPodPortReuse), options.InPodPortReuse);
        options.Self = section.Workload(nameof(options.Self), options.Self);
        options.PacketMark = section.OptionalInteger(nameof(options.PacketMark), options.PacketMark);
        options.EnableOriginalSource = section.OptionalBoolean(nameof(options.EnableOriginalSource), options.EnableOriginalSource);
        options.ResponseBaggage = section.Boolean(nameof(options.ResponseBaggage), options.ResponseBaggage);
        options.LocalhostTunnel = section.Boolean(nameof(options.LocalhostTunnel), options.LocalhostTunnel);
        options.LogPolicyDecisions = section.Boolean(nameof(options.LogPolicyDecisions), options.LogPolicyDecisions);
        options.StreamWindowSize = section.Integer(nameof(options.StreamWindowSize), options.StreamWindowSize);
        options.ConnectionWindowSize = section.Integer(nameof(options.ConnectionWindowSize), options.ConnectionWindowSize);
        options.FrameSize = section.Integer(nameof(options.FrameSize), options.FrameSize);
        options.PoolMaxStreams = section.Integer(nameof(options.PoolMaxStreams), options.PoolMaxStreams);
        options.MaxConnections = section.Integer(nameof(options.MaxConnections), options.MaxConnections);
        options.MaxConnectionsPerPeer = section.Integer(nameof(options.MaxConnectionsPerPeer), options.MaxConnectionsPerPeer);
        options.PoolUnusedReleaseTimeout = section.Duration(nameof(options.PoolUnusedReleaseTimeout), options.PoolUnusedReleaseTimeout);
        options.KeepAlive = section.Boolean(nameof(options.KeepAlive), options.KeepAlive);
        options.KeepAliveTime = section.Duration(nameof(options.KeepAliveTime), options.KeepAliveTime);
        options.KeepAliveInterval = section.Duration(nameof(options.KeepAliveInterval), options.KeepAliveInterval);
        options.KeepAliveRetries = section.Integer(nameof(options.KeepAliveRetries), options.KeepAliveRetries);
        options.UserTimeout = section.Boolean(nameof(options.UserTimeout), options.UserTimeout);
        options.Socks5 = section.Boolean(nameof(options.Socks5), options.Socks5);
        options.Proxy = section.Boolean(nameof(options.Proxy), options.Proxy);
        options.Dns = section.Boolean(nameof(options.Dns), options.Dns);
        options.DnsAddress = section.EndPoint(nameof(options.DnsAddress), options.DnsAddress);
        options.PreferredServiceNamespace = section.Text(nameof(options.PreferredServiceNamespace), options.PreferredServiceNamespace);
        options.WorkerThreads = section.Integer(nameof(options.WorkerThreads), options.WorkerThreads);
        options.AdminAddress = section.Address(nameof(options.AdminAddress), options.AdminAddress);
        options.AdminPort = section.Integer(nameof(options.AdminPort), options.AdminPort);
        options.StatsPort = section.Integer(nameof(options.StatsPort), options.StatsPort);
        options.Host.SectionFaults = section.Faults;
    }

    /// <inheritdoc/>
    public void Configure(WaypointOptions options)
    {
        var section = SectionOf("Waypoint");
        options.Host = HostOf(mesh.Value, section);
        options.GatewayName = section.Text(nameof(options.GatewayName), options.GatewayName)!;
        options.Namespace = section.Text(nameof(options.Namespace), mesh.Value.Namespace ?? "")!;
        options.PodName = section.Text(nameof(options.PodName), mesh.Value.Pod);
        options.IsGateway = section.Boolean(nameof(options.IsGateway), options.IsGateway);
        options.ListenerPortOffset = section.Integer(nameof(options.ListenerPortOffset), options.ListenerPortOffset);
        options.MaxConnections = section.Integer(nameof(options.MaxConnections), options.MaxConnections);
        options.MaxConnectionsPerPeer = section.Integer(nameof(options.MaxConnectionsPerPeer), options.MaxConnectionsPerPeer);
        options.DrainDuration = section.Duration(nameof(options.DrainDuration), options.DrainDuration);
        options.StreamIdleTimeout = section.Duration(nameof(options.StreamIdleTimeout), options.StreamIdleTimeout);
        options.LogPolicyDecisions = section.Boolean(nameof(options.LogPolicyDecisions), options.LogPolicyDecisions);
        options.Host.SectionFaults = section.Faults;
    }

    private SectionReader SectionOf(string node) => new(configuration?.GetSection($"{AmbientMeshOptions.SectionName}:{node}"));

    /// <summary>
    /// What every node has. Where the mesh and the certificates come from is said once, of the application; how it logs, the application's own
    /// loggers say.
    /// </summary>
    private static NodeOptions HostOf(AmbientMeshOptions mesh, SectionReader section)
    {
        var membership = mesh.ToMeshRuntime();
        var options = new NodeOptions
        {
            Manifests = mesh.Manifests,
            LocalXdsPath = mesh.LocalConfig,
            AuthorityFolder = mesh.AuthorityFolder,
            ClusterId = mesh.ClusterId,
            Network = mesh.Network,
            ClusterDomain = mesh.ClusterDomain,
            TrustDomain = mesh.TrustDomain,
            NodeName = mesh.NodeName,
            RevocationFile = mesh.RevocationFile,
            Xds = membership.Discovery.Xds,
            CertificateAuthority = membership.Authority.Istio,
            WorkloadApi = membership.Authority.WorkloadApi,
        };
        foreach (var alias in mesh.TrustDomainAliases)
        {
            options.TrustDomainAliases.Add(alias);
        }

        options.PodRange = section.Range(nameof(options.PodRange), options.PodRange);
        options.ServiceRange = section.Range(nameof(options.ServiceRange), options.ServiceRange);
        options.LocalXds = section.Text(nameof(options.LocalXds), options.LocalXds);
        options.SecretTtl = section.Duration(nameof(options.SecretTtl), options.SecretTtl);
        options.RootNamespace = section.Text(nameof(options.RootNamespace), options.RootNamespace)!;
        options.PortOffset = section.Integer(nameof(options.PortOffset), options.PortOffset);
        options.IPv6Enabled = section.Boolean(nameof(options.IPv6Enabled), options.IPv6Enabled);
        options.TerminationDeadline = section.Duration(nameof(options.TerminationDeadline), options.TerminationDeadline);
        options.IstioVersion = section.Text(nameof(options.IstioVersion), options.IstioVersion)!;
        options.FakeAuthority = section.Boolean(nameof(options.FakeAuthority), options.FakeAuthority);
        return options;
    }
}
