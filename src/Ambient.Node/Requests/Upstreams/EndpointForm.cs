using System.Net;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>What an endpoint of a backend is for one try, besides what <see cref="EndpointState"/> knows: the parts of an <see cref="UpstreamEndpoint"/>.</summary>
internal readonly ref struct EndpointForm
{
    /// <summary>The workload, as the backend has it.</summary>
    public required Workload Workload { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.Http2"/>.</summary>
    public required bool Http2 { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.HostName"/>.</summary>
    public required string? HostName { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.ChosenBy"/>.</summary>
    public required IPAddress? ChosenBy { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.Proxy"/>.</summary>
    public required ProxyPreamble? Proxy { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.Tunnel"/>.</summary>
    public required ProxyTunnel? Tunnel { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.Limits"/>.</summary>
    public required BackendLimits? Limits { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.Tls"/>.</summary>
    public required BackendTls? Tls { get; init; }

    /// <summary>See <see cref="UpstreamEndpoint.ClientCertificate"/>.</summary>
    public required TlsSecret? ClientCertificate { get; init; }

    /// <summary>The endpoint in this form: the object of the try before, where that saw the same.</summary>
    public UpstreamEndpoint Of(EndpointState state)
    {
        if (state.Made is UpstreamEndpoint last && IsOf(last))
        {
            return last;
        }

        var made = Make(state);
        state.Made = made;
        return made;
    }

    /// <summary>Whether an endpoint was made of the same. Objects of configuration are compared by reference: another one makes another endpoint, once.</summary>
    private bool IsOf(UpstreamEndpoint endpoint) =>
        ReferenceEquals(Workload, endpoint.Workload) && Http2 == endpoint.Http2 && ReferenceEquals(HostName, endpoint.HostName) && ReferenceEquals(ChosenBy, endpoint.ChosenBy)
        && ReferenceEquals(Proxy, endpoint.Proxy) && ReferenceEquals(Tunnel, endpoint.Tunnel) && ReferenceEquals(Limits, endpoint.Limits)
        && ReferenceEquals(Tls, endpoint.Tls) && ReferenceEquals(ClientCertificate, endpoint.ClientCertificate);

    private UpstreamEndpoint Make(EndpointState state) => new(Workload, state.Address, Http2)
    {
        State = state,
        Way = state.Way,
        HostName = HostName,
        ChosenBy = ChosenBy,
        Proxy = Proxy,
        Tunnel = Tunnel,
        Limits = Limits,
        Tls = Tls,
        ClientCertificate = ClientCertificate,
    };
}
