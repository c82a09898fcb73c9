using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>A backend at one moment: what a request sees of it from beginning to end, but for who is left out.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Mesh">The mesh that it was made for.</param>
/// <param name="Self">Who sends.</param>
/// <param name="Service">The service.</param>
/// <param name="Inputs">The endpoints of the service that it was made from.</param>
/// <param name="Policy">What its DestinationRule asks.</param>
/// <param name="Limits">Its connections, where something is said of them; null: those of the endpoint that everybody shares.</param>
/// <param name="Set">Endpoints to choose from.</param>
internal sealed record BackendView(
    Backend Backend,
    MeshSnapshot Mesh,
    Workload Self,
    MeshService Service,
    ImmutableArray<MeshEndpoint> Inputs,
    BackendPolicy Policy,
    BackendLimits? Limits,
    EndpointSet Set)
{
    /// <summary>How clients of the service stay with one endpoint; null: not.</summary>
    public SessionPersistence? Session { get; init; }

    /// <summary>Requests that may be under way.</summary>
    public int MaxRequests { get; } = Policy.ConnectionPool?.MaxRequests ?? int.MaxValue;

    /// <summary>Requests that may be under way again; null: the budget says.</summary>
    public int? MaxRetries { get; } = Policy.RetryBudget is null ? Policy.ConnectionPool?.MaxRetries : null;

    /// <summary>How many may be under way again where <see cref="MaxRetries"/> is null.</summary>
    public RetryBudget RetryBudget { get; } = Policy.RetryBudget ?? RetryBudget.Default;

    /// <summary>Whether its endpoints are spoken to in HTTP/2 rather than HTTP/1.1.</summary>
    /// <param name="declared">Whether the port declares one of them; null: it does not say.</param>
    /// <param name="client">Whether the client speaks HTTP/2.</param>
    public bool SpeaksHttp2(bool? declared, bool client) => Policy.ConnectionPool switch
    {
        { UsesClientProtocol: true } => client,
        { UpgradesToHttp2: true } => true,
        _ => declared ?? client,
    };
}
