using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Gateway;

/// <summary>Requests come to an ingress gateway over plain TCP: nobody is authenticated, and the listener's port says where.</summary>
/// <param name="places">Compiled policies and routes, shared by the gateway's listeners.</param>
/// <param name="self">The gateway's own workload.</param>
/// <param name="gatewayKey">The Gateway, as <c>namespace/name</c>.</param>
/// <param name="address">Address and port of the listener as the Gateway declares it, whatever port is really bound.</param>
internal sealed class GatewayEntrance(RequestPlaces places, LocalWorkload self, string gatewayKey, IPEndPoint address) : IRequestEntrance
{
    private BackendCertificateOfConfiguration? _backendCertificate;

    /// <inheritdoc/>
    public HeaderRules Headers => GatewayHeaderRules.Instance;

    /// <inheritdoc/>
    public RequestArrival Arrive(object? connection) => Arrive((GatewayConnection)connection!);

    /// <summary>Address and port of the listener as the Gateway declares it.</summary>
    public IPEndPoint Address => address;

    /// <summary>The certificate that a gateway shows to backends which ask for one; null: none, or none that can be used.</summary>
    public static TlsSecret? BackendCertificateOf(RequestConfiguration configuration, string gatewayKey) =>
        configuration.Gateways.TryGetValue(gatewayKey, out var gateway) ? GatewayBackendCertificate.Find(configuration, gateway, out _) : null;

    private RequestArrival Arrive(GatewayConnection connection) => Arrive(connection, places.Find(""));

    private RequestArrival Arrive(GatewayConnection connection, RequestPlace? place) => new()
    {
        Place = place,
        BackendCertificate = place is null ? null : BackendCertificate(place.Mesh.Requests),
        Identity = null,
        Source = connection.RemoteEndPoint,
        SourceText = connection.SourceText,
        Peer = connection.Proxy,
        Destination = address,
        Self = self.Current,
        IsIngress = true,
        Scheme = connection.IsTls ? "https" : "http",
        ClientCertificate = connection.ClientCertificate,
        ServerName = connection.ServerName,
    };

    /// <summary>Found once for each configuration.</summary>
    private TlsSecret? BackendCertificate(RequestConfiguration configuration)
    {
        if (Volatile.Read(ref _backendCertificate) is not { } known || !ReferenceEquals(known.Of, configuration))
        {
            known = new BackendCertificateOfConfiguration(configuration, BackendCertificateOf(configuration, gatewayKey));
            Volatile.Write(ref _backendCertificate, known);
        }

        return known.Certificate;
    }

    /// <inheritdoc/>
    public RequestPlace? Find(in RequestArrival arrival) => places.Find("");

    /// <summary>Compiles the place that all listeners of a gateway share.</summary>
    public static RequestPlaces PlacesOf(IMeshSnapshotProvider meshes, string gatewayKey) => new(
        meshes,
        (mesh, _, earlier) => mesh.Requests.Gateways.TryGetValue(gatewayKey, out var gateway)
            ? CompiledPlace.Of(mesh, null, earlier, (policies, routes) =>
                (RequestPolicies.ForGateway(mesh, gateway, policies), RequestRoutes.ForGateway(mesh, gateway, routes)), gateway)
            : null);

    private sealed record BackendCertificateOfConfiguration(RequestConfiguration Of, TlsSecret? Certificate);
}
