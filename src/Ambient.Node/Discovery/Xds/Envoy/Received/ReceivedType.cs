using System.Collections.Immutable;

namespace Ambient.Node.Discovery.Xds.Envoy.Received;

/// <summary>What was received of one type.</summary>
/// <param name="Version">Version of the last response; empty: it had none.</param>
/// <param name="Resources">What is in use, in the order of names.</param>
/// <param name="Missing">Names that were asked for and have not come.</param>
/// <param name="Accepted">Responses that were taken whole.</param>
/// <param name="Refused">Responses of which something was refused.</param>
/// <param name="At">When the last response came; null: none has.</param>
internal sealed record ReceivedType(
    string Version, ImmutableArray<ReceivedResource> Resources, ImmutableArray<string> Missing, long Accepted, long Refused, DateTimeOffset? At)
{
    /// <summary>Nothing.</summary>
    public static ReceivedType None { get; } = new("", [], [], 0, 0, null);
}
