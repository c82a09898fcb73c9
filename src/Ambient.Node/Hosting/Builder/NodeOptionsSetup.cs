using Ambient.Node.Hosting.Options;
using Ambient.Node.Member;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>Gives a node what the application says of its mesh, then what the sections <c>Ambient:Ztunnel</c> and <c>Ambient:Waypoint</c> say of the node.</summary>
internal sealed class NodeOptionsSetup(IOptions<AmbientMeshOptions> mesh, IConfiguration? configuration = null) : IConfigureOptions<ZtunnelOptions>, IConfigureOptions<WaypointOptions>
{
    /// <inheritdoc/>
    public void Configure(ZtunnelOptions options)
    {
        var section = SectionOf("Ztunnel");
        options.Host = HostOf(mesh.Value, section);
        options.Mode = section.Mode ?? options.Mode;
        options.WorkerThreads = section.WorkerThreads ?? options.WorkerThreads;
    }

    /// <inheritdoc/>
    public void Configure(WaypointOptions options)
    {
        var section = SectionOf("Waypoint");
        options.Host = HostOf(mesh.Value, section);
        options.GatewayName = section.GatewayName ?? options.GatewayName;
        options.ListenerPortOffset = section.ListenerPortOffset ?? options.ListenerPortOffset;
        options.Namespace = mesh.Value.Namespace ?? "";
        options.PodName = mesh.Value.Pod;
    }

    private NodeSection SectionOf(string node) => configuration?.GetSection($"{AmbientMeshOptions.SectionName}:{node}").Get<NodeSection>() ?? new NodeSection();

    private static NodeOptions HostOf(AmbientMeshOptions mesh, NodeSection section)
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
            PortOffset = section.PortOffset ?? 0,
            IPv6Enabled = section.IPv6Enabled ?? true,
            RevocationFile = mesh.RevocationFile,
            Xds = membership.Discovery.Xds,
            CertificateAuthority = membership.Authority.Istio,
            WorkloadApi = membership.Authority.WorkloadApi,
        };
        foreach (var alias in mesh.TrustDomainAliases)
        {
            options.TrustDomainAliases.Add(alias);
        }

        return options;
    }
}
