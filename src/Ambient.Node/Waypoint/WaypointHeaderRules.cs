using System.Net.Http.Headers;
using Ambient.Node.Requests;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Waypoint;

/// <summary>
/// Headers at a waypoint: the client is inside the mesh, so what it says of earlier hops is passed on, save for an
/// identity that only a proxy may state.
/// </summary>
internal sealed class WaypointHeaderRules : HeaderRules
{
    /// <summary>The one instance.</summary>
    public static WaypointHeaderRules Instance { get; } = new();

    /// <inheritdoc/>
    public override bool Drops(string name, in RequestArrival arrival) =>
        name.Length == ForwardedClientCert.Length && name.Equals(ForwardedClientCert, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override string Apply(HttpRequest request, in RequestArrival arrival, HttpRequestHeaders outgoing)
    {
        var id = request.Headers[RequestId].ToString();
        if (id.Length == 0)
        {
            id = NewRequestId();
            outgoing.TryAddWithoutValidation(RequestId, id);
        }

        if (!request.Headers.ContainsKey(ForwardedProto))
        {
            outgoing.TryAddWithoutValidation(ForwardedProto, "http");
        }

        return id;
    }
}
