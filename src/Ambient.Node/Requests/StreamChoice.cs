using Ambient.Node.Requests.Upstreams;

namespace Ambient.Node.Requests;

/// <summary>The endpoint of an opaque connection, or why there is none.</summary>
/// <param name="Endpoint">The endpoint; null: there is none.</param>
/// <param name="Problem">Why there is none, for a person.</param>
/// <param name="Flag">The same, as one of <see cref="ResponseFlags"/>.</param>
internal readonly record struct StreamChoice(UpstreamEndpoint? Endpoint, string Problem, string Flag)
{
    /// <summary>There is none that could take it.</summary>
    public static StreamChoice None(string problem) => new(null, problem, ResponseFlags.NoHealthyUpstream);
}
