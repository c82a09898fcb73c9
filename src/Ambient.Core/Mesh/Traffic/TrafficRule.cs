using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// What becomes of the requests that match: one action, and what is asked besides. HTTPRoute, GRPCRoute and VirtualService are translated into it, and
/// nothing that acts on a request knows which of them it was.
/// </summary>
public sealed record TrafficRule
{
    /// <summary>The name that the rule was given; null: none.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// The object that the rule comes from (<c>namespace/name</c>), where a control plane has put rules of several together; null: the route that it is in. With it
    /// a rule without a name has no number either, for its place there is not known.
    /// </summary>
    public string? Origin { get; init; }

    /// <summary>Matches, ORed. Never empty: the default is the prefix <c>/</c>.</summary>
    public ImmutableArray<TrafficMatch> Matches { get; init; } = [];

    /// <summary>What is done.</summary>
    public TrafficAction Action { get; init; } = new ForwardAction();

    /// <summary>Changes to the request's headers, or null.</summary>
    public HeaderModification? RequestHeaders { get; init; }

    /// <summary>Changes to the answer's headers, or null.</summary>
    public HeaderModification? ResponseHeaders { get; init; }

    /// <summary>What browsers of other origins may do, or null: nothing is said about it.</summary>
    public CorsRule? Cors { get; init; }

    /// <summary>Faults that are made on purpose, or null.</summary>
    public FaultRule? Fault { get; init; }

    /// <summary>Who is asked about each request before anything is done with it, or null.</summary>
    public RouteAuthorizer? Authorizer { get; init; }

    /// <summary>
    /// Names of filters or fields of this rule that this version does not act on. A request that such a rule matches is
    /// answered with 500 rather than treated as if the filter were not there.
    /// </summary>
    public ImmutableArray<string> Unsupported { get; init; } = [];

    /// <summary>The answer to requests that match where there is anything <see cref="Unsupported"/>. Default 500.</summary>
    public int UnsupportedStatus { get; init; } = 500;

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TrafficRule? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Origin == other.Origin
            && UnsupportedStatus == other.UnsupportedStatus
            && Action == other.Action
            && RequestHeaders == other.RequestHeaders
            && ResponseHeaders == other.ResponseHeaders
            && Cors == other.Cors
            && Fault == other.Fault
            && Authorizer == other.Authorizer
            && StructuralEquality.Same(Matches, other.Matches)
            && StructuralEquality.Same(Unsupported, other.Unsupported));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Matches.Length, Action, Unsupported.Length);
}
