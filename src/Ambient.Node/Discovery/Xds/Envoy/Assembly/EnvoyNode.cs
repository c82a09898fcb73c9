using System.Net;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>The proxy that a configuration is for.</summary>
/// <param name="IsGateway">Whether it is an ingress gateway; else a waypoint.</param>
/// <param name="Namespace">Namespace of its pod and Gateway.</param>
/// <param name="Gateway">Name of its Gateway.</param>
/// <param name="Address">Address of its pod.</param>
internal sealed record EnvoyNode(bool IsGateway, string Namespace, string Gateway, IPAddress Address)
{
    /// <summary>Key of its Gateway.</summary>
    public string GatewayKey => $"{Namespace}/{Gateway}";
}
