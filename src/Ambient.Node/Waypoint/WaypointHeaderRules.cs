using Ambient.Http;
using Ambient.Node.Requests;

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
    public override void Apply(RequestHead head, in RequestArrival arrival)
    {
        var fields = head.Fields;
        KeepRequestId(head, arrival);
        SetForwardedPort(head, arrival);
        if (!fields.Contains(ForwardedProto))
        {
            fields.Add("x-forwarded-proto"u8, SchemeOf(arrival));
        }
    }
}
