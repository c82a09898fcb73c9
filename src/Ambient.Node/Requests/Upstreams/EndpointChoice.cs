using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Where a try goes, and in which protocol (Istio's protocol selection, as in <c>AppProtocols</c>).</summary>
internal static class EndpointChoice
{
    /// <summary>An endpoint of a backend; null when there is none.</summary>
    /// <param name="view">The backend.</param>
    /// <param name="destination">What the client addressed.</param>
    /// <param name="http2Client">Whether the client speaks HTTP/2.</param>
    /// <param name="hash">What the request hashes to; null: nothing.</param>
    /// <param name="pinned">The endpoint that its client stays with; null: none.</param>
    /// <param name="failed">Workloads that earlier tries could not reach.</param>
    /// <param name="host">Host that the client named, or the server name of its TLS: which of the names of a wildcard it means. Null: none.</param>
    /// <param name="client">Who asks, where a backend wants to be told; null: the proxy itself.</param>
    /// <param name="elsewhere">Whether tries after the first go to other localities while there are any.</param>
    /// <param name="isTls">Whether what is passed on is TLS already, and protected as it is: then none is made.</param>
    public static UpstreamEndpoint? ForBackend(
        BackendView view, IPEndPoint? destination, bool http2Client, ulong? hash, IPEndPoint? pinned, IReadOnlyList<Workload> failed, string? host = null, IPEndPoint? client = null, bool isTls = false, bool elsewhere = false)
    {
        if (!isTls && view.Policy.TlsProblem is not null)
        {
            return null;
        }

        if (GoesAsAddressed(view))
        {
            return failed.Count == 0 && destination is not null
                && AsAddressed(view, destination, http2Client, isTls) is { } outside ? outside with { Proxy = PreambleOf(view, client, destination) } : null;
        }

        var set = view.Set;
        var state = pinned is not null && failed.Count == 0 ? set.Find(pinned) : null;
        if (state is null && destination is not null && failed.Count == 0 && view.Policy.Balancer.Algorithm == BalancerAlgorithm.Passthrough)
        {
            state = set.Find(destination.Address);
        }

        state ??= set.Choose(hash, failed, Random.Shared, elsewhere);
        if (state is null)
        {
            return null;
        }

        string? name = null;
        IPAddress? chosenBy = null;
        if (state.IsNamed && state.Way is null)
        {
            name = state.Workload.Hostname;
            if (name.StartsWith('*'))
            {
                if ((name = DynamicHost.Of(view.Service, host)) is null)
                {
                    return null;
                }

                chosenBy = client?.Address;
            }
        }

        // A sidecar takes what it is sent in the mesh's own TLS, whatever that is.
        var sidecar = state.HasSidecar ? view.Policy.Sidecars?.Tls : null;
        var form = new EndpointForm
        {
            Workload = state.Workload,
            Http2 = view.SpeaksHttp2(DeclaresHttp2(view.Service, view.Backend.Key.Port), http2Client),
            HostName = name,
            ChosenBy = chosenBy,
            Proxy = PreambleOf(view, client, destination),
            Tunnel = view.Policy.Tunnel,
            Limits = view.Limits,
            Tls = sidecar ?? (isTls ? null : view.Policy.Tls),
            ClientCertificate = isTls || sidecar is not null ? null : view.Policy.Tls?.ClientCertificate,
        };
        return form.Of(state);
    }

    /// <summary>
    /// An endpoint for what a proxy sends of its own: copies of requests, questions to authorizers, spans. Null when there is none; a gateway that is told to go
    /// through the service's waypoint goes through it with these, too.
    /// </summary>
    /// <param name="backends">What is known of endpoints.</param>
    /// <param name="mesh">The mesh.</param>
    /// <param name="self">Who sends.</param>
    /// <param name="service">Where to.</param>
    /// <param name="port">Its port.</param>
    /// <param name="subset">Its subset; null: none.</param>
    /// <param name="isIngress">Whether an ingress gateway sends it.</param>
    /// <param name="http2Client">Whether it is HTTP/2 where the port does not say.</param>
    /// <param name="failed">Workloads that earlier tries could not reach; null: none.</param>
    public static UpstreamEndpoint? ForOwn(
        Backends backends, MeshSnapshot mesh, Workload self, MeshService service, int port, string? subset, bool isIngress, bool http2Client = false, IReadOnlyList<Workload>? failed = null) =>
        isIngress && UsesWaypoint(service)
            ? ForWaypoint(mesh, self, service, port, http2Client)
            : ForBackend(backends.Find(mesh, self, service, port, subset), null, http2Client, null, null, failed ?? []);

    /// <summary>Whether an ingress gateway is told to go through the service's waypoint (<c>istio.io/ingress-use-waypoint</c>).</summary>
    public static bool UsesWaypoint(MeshService service) => service is { IngressUseWaypoint: true, Waypoint: not null };

    private static ProxyPreamble? PreambleOf(BackendView view, IPEndPoint? client, IPEndPoint? destination) =>
        view.Policy.ProxyProtocol is { } version ? new ProxyPreamble(version, client, client is null ? null : destination) : null;

    /// <summary>
    /// Whether nobody but the client says where it goes: the service is of addresses without endpoints, or no endpoint is known and its rule leaves the choice to the
    /// client. Addresses of Services of Kubernetes are nobody's own.
    /// </summary>
    private static bool GoesAsAddressed(BackendView view) => view.Service.LoadBalancing is { Mode: LoadBalancingMode.Passthrough }
        || (view.Policy.Balancer.Algorithm == BalancerAlgorithm.Passthrough && view.Inputs.IsEmpty && !view.Service.IsOfKubernetes);

    /// <summary>What the client addressed, where the service is of addresses that nobody finds endpoints for; null: it is none of them.</summary>
    private static UpstreamEndpoint? AsAddressed(BackendView view, IPEndPoint destination, bool http2Client, bool isTls)
    {
        var service = view.Service;
        if (!service.Vips.Any(vip => vip.Address.Equals(destination.Address)) && !service.CidrVips.Any(range => range.Range.Contains(destination.Address)))
        {
            return null;
        }

        // There is no workload of that address: it is one by itself, outside of the mesh.
        var outside = new Workload
        {
            Uid = $"outside/{service.Key}/{destination.Address}",
            Name = service.Name,
            Namespace = service.Namespace,
            Addresses = [destination.Address],
        };
        return new UpstreamEndpoint(outside, new IPEndPoint(destination.Address, destination.Port), view.SpeaksHttp2(DeclaresHttp2(service, view.Backend.Key.Port), http2Client))
        {
            Limits = view.Limits,
            Tls = isTls ? null : view.Policy.Tls,
            ClientCertificate = isTls ? null : view.Policy.Tls?.ClientCertificate,
        };
    }

    /// <summary>
    /// The waypoint of a service, for an ingress gateway that is told to go through it (<c>istio.io/ingress-use-waypoint</c>); null when
    /// it cannot be reached: never the endpoints behind its back.
    /// </summary>
    public static UpstreamEndpoint? ForWaypoint(MeshSnapshot mesh, Workload self, MeshService service, int port, bool http2Client)
    {
        if (service.Vips is not [var vip, ..])
        {
            return null;
        }

        var address = new IPEndPoint(vip.Address, port);
        var route = DestinationResolver.Resolve(mesh, self, address, Random.Shared);
        return route is { Error: null, ViaWaypoint: true, Protocol: ConnectionProtocol.Hbone, NextHopWorkload: { } waypoint }
            ? new UpstreamEndpoint(waypoint, address, SpeaksHttp2(service, port, http2Client), route)
            : null;
    }

    /// <summary>A workload itself.</summary>
    public static UpstreamEndpoint ForWorkload(Workload workload, IPEndPoint address, bool http2Client) => new(workload, address, http2Client);

    // What a port declares; where it declares nothing, what the client speaks.
    private static bool SpeaksHttp2(MeshService service, int port, bool http2Client) => DeclaresHttp2(service, port) ?? http2Client;

    private static bool? DeclaresHttp2(MeshService service, int port)
    {
        foreach (ref readonly var declared in service.Ports.AsSpan())
        {
            if (declared.Port == port)
            {
                return declared.AppProtocol switch
                {
                    AppProtocol.Http2 or AppProtocol.Grpc or AppProtocol.GrpcWeb => true,
                    AppProtocol.Unknown => null,
                    _ => false,
                };
            }
        }

        return null;
    }
}
