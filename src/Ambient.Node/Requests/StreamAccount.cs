using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Policy.Authorization;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests;

/// <summary>
/// What an opaque connection at a waypoint or gateway will have to say of itself, as Envoy's access log of TCP has it: put together on the way, and written
/// in the form that Telemetry asks for.
/// </summary>
/// <param name="log">Writes it.</param>
/// <param name="place">Whose Telemetry counts; null: it is gone.</param>
/// <param name="source">Address of the client.</param>
/// <param name="destination">Address that was connected to.</param>
internal sealed class StreamAccount(RequestLog log, Func<RequestPlace?> place, IPEndPoint source, IPEndPoint destination) : IConnectionAccount
{
    /// <summary>No endpoint could be connected to: the first flag says why, the second that there are no more tries.</summary>
    public const string NotReached = $"{ResponseFlags.UpstreamConnectionFailure},{ResponseFlags.RetryLimitExceeded}";

    private UpstreamEndpoint? _endpoint;
    private ClusterName _cluster;
    private string _flags = ResponseFlags.None;
    private string? _details;
    private string? _failure;

    /// <summary>Who the client is by its certificate; null: nobody that is known.</summary>
    public SpiffeId? Identity { get; init; }

    /// <summary>Server name of its TLS; null or empty: none is known.</summary>
    public string? ServerName { get; set; }

    /// <summary>Policies keep it out.</summary>
    public void Refused(AuthorizationDecision decision)
    {
        var isExternal = decision.Reason is AuthorizationReason.DeniedByExternalAuthorizer or AuthorizationReason.ExternalAuthorizerFailed;
        _flags = isExternal ? ResponseFlags.UnauthorizedExternalService : _flags;
        _details = isExternal ? decision.Reason == AuthorizationReason.DeniedByExternalAuthorizer ? "ext_authz_denied" : "ext_authz_error" : ResponseDetails.Of(decision);
    }

    /// <summary>It is not carried on, for one of <see cref="ResponseFlags"/>.</summary>
    /// <param name="flags">The flag.</param>
    /// <param name="failure">Why the endpoint could not be connected to; null: it was not tried.</param>
    public void Failed(string flags, string? failure = null) => (_flags, _failure) = (flags, failure);

    /// <summary>Where it goes.</summary>
    /// <param name="service">The backend; null: a workload was addressed.</param>
    /// <param name="port">Its port.</param>
    /// <param name="isInbound">Whether that is the service that a waypoint was asked for.</param>
    public void Goes(MeshService? service, int port, bool isInbound) => _cluster = service is null ? default : new ClusterName(isInbound, port, null, service.Hostname) { IsTcp = true };

    /// <summary>An endpoint is reached.</summary>
    public void Reached(UpstreamEndpoint endpoint)
    {
        _endpoint = endpoint;
        _flags = ResponseFlags.None;
        _failure = null;
    }

    /// <inheritdoc/>
    public bool TryComplete(OpenConnection connection, TimeSpan duration, string? error)
    {
        var telemetry = place()?.Telemetry.Connections(destination.Port) ?? PlaceTelemetry.Default;
        return log.TryComplete(
            telemetry,
            new AccessLogEntry
            {
                IsOpaque = true,
                Started = log.Time.GetUtcNow() - duration,
                Duration = duration,
                Flags = _flags,
                TerminationDetails = _details,
                TransportFailure = _failure is null ? null : ResponseDetails.Word(_failure),
                BytesReceived = connection.Bytes.ClientToServer,
                BytesSent = connection.Bytes.ServerToClient,
                UpstreamHost = _endpoint?.Address,
                IsTunnelled = _endpoint?.IsTunnelled == true,
                IsTunnelledTwice = _endpoint?.Way?.IsTwofold == true,
                Cluster = _cluster,
                LocalAddress = destination,
                RemoteAddress = source,
                PeerIdentity = Identity,
                ServerName = string.IsNullOrEmpty(ServerName) ? null : ServerName,
            },
            error is null ? LogLevel.Information : LogLevel.Error);
    }
}
