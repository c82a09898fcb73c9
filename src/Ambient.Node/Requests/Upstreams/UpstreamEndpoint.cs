using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Where one try of a request goes. One object for all that go there alike, as long as nothing of it changes.</summary>
/// <param name="Workload">Workload that is dialled.</param>
/// <param name="Address">Its address and the port it listens on; with a waypoint, the service's.</param>
/// <param name="Http2">Whether it is spoken to in HTTP/2 (prior knowledge) rather than HTTP/1.1.</param>
/// <param name="Waypoint">The way to the service's waypoint, when that is where the request goes; else null.</param>
internal sealed record UpstreamEndpoint(Workload Workload, IPEndPoint Address, bool Http2, ConnectionRoute? Waypoint = null)
{
    // The last that was asked for: a gateway has one certificate at a time.
    private UpstreamEndpoint? _certified;

    /// <summary>The way to it, where it is not dialled itself and <see cref="Waypoint"/> does not say: null: it is.</summary>
    public EndpointWay? Way { get; init; }

    /// <summary>Whether it is reached through a tunnel.</summary>
    public bool IsTunnelled => Waypoint is not null || Way is not null || Workload.Protocol == TunnelProtocol.Hbone;

    /// <summary>Who it is, where that is known before it is reached: null otherwise.</summary>
    public SpiffeId? Identity => Way is null && Workload.Protocol == TunnelProtocol.Hbone ? Workload.Identity : null;

    /// <summary>The name whose addresses are dialled, in place of <see cref="Address"/>'s own, at its port; null: the address is known.</summary>
    public string? HostName { get; init; }

    /// <summary>Whose client chose <see cref="HostName"/>, which its lookup counts for; null: the configuration has it.</summary>
    public IPAddress? ChosenBy { get; init; }

    /// <summary>Where it is, for people.</summary>
    public string Where => HostName is null ? Address.ToString() : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{HostName}:{Address.Port}");

    /// <summary>What is known of it as one of a backend's endpoints; null: it was not chosen from any.</summary>
    public EndpointState? State { get; init; }

    /// <summary>The connections of a backend that has something to say of them; null: those that everybody shares.</summary>
    public BackendLimits? Limits { get; init; }

    /// <summary>TLS that is made to it, within the tunnel where there is one; null: none.</summary>
    public BackendTls? Tls { get; init; }

    /// <summary>The header of the PROXY protocol that the connection begins with; null: none.</summary>
    public ProxyPreamble? Proxy { get; init; }

    /// <summary>Where a connection whose bytes are not looked into is led through it; null: to itself.</summary>
    public ProxyTunnel? Tunnel { get; init; }

    /// <summary>The connections that the last try found; null: none has looked yet. The pool's, which knows whether they are still to be used.</summary>
    public Upstream? Upstream { get; set; }

    /// <summary>The certificate that is shown in that TLS to an endpoint that asks for one; null: none.</summary>
    public TlsSecret? ClientCertificate { get; init; }

    /// <summary>The same with the certificate that a gateway has for backends, where it is shown one: TLS that a rule asks for has its own, or none.</summary>
    public UpstreamEndpoint Certified(TlsSecret? certificate)
    {
        if (certificate is null || ClientCertificate is not null || Tls is not { ShowsGatewayCertificate: true })
        {
            return this;
        }

        var certified = Volatile.Read(ref _certified);
        if (certified is null || !ReferenceEquals(certified.ClientCertificate, certificate))
        {
            certified = this with { ClientCertificate = certificate, Upstream = null };
            Volatile.Write(ref _certified, certified);
        }

        return certified;
    }
}
