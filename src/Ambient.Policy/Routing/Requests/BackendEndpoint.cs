using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Policy.Routing.Requests;

/// <summary>The endpoint of a backend that one try of a request goes to.</summary>
/// <param name="Workload">Workload.</param>
/// <param name="Address">Its address, and the port on it.</param>
public readonly record struct BackendEndpoint(Workload Workload, IPEndPoint Address)
{
    // As Envoy: a try that meets only endpoints which failed before takes one of them after all.
    private const int MaxDraws = 5;

    /// <summary>
    /// Chooses among the endpoints of a service port, by the rules for connections (<see cref="EndpointBalancer"/>) but never
    /// through a waypoint. Endpoints in <paramref name="failed"/> are avoided while there are others. Null when none can serve.
    /// </summary>
    /// <param name="mesh">Mesh.</param>
    /// <param name="source">Who forwards; decides what is near.</param>
    /// <param name="service">Service.</param>
    /// <param name="port">Port of the service.</param>
    /// <param name="failed">Workloads that earlier tries could not reach.</param>
    /// <param name="random">Draws by weight.</param>
    public static BackendEndpoint? Choose(
        MeshSnapshot mesh, Workload source, MeshService service, int port, IReadOnlyList<Workload> failed, Random random)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(failed);
        ArgumentNullException.ThrowIfNull(random);
        var asked = service.Vips.IsDefaultOrEmpty ? source.Addresses.IsDefaultOrEmpty ? IPAddress.Any : source.Addresses[0] : service.Vips[0].Address;
        BackendEndpoint? chosen = null;
        for (var draw = 0; draw < MaxDraws; draw++)
        {
            if (EndpointBalancer.Pick(mesh, source, service, port, EndpointBalancer.PortRule.Declared, random) is not { } endpoint
                || EndpointBalancer.ResolvePort(service, endpoint, port) is not { } target
                || EndpointBalancer.ChooseAddress(endpoint.Workload, service, asked) is not { } address)
            {
                return chosen;
            }

            chosen = new BackendEndpoint(endpoint.Workload, new IPEndPoint(address, target));
            if (!failed.Contains(endpoint.Workload))
            {
                break;
            }
        }

        return chosen;
    }
}
