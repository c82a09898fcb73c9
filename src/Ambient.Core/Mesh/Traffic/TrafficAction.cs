using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// What is done with a request: one of <see cref="ForwardAction"/>, <see cref="RedirectAction"/>, <see cref="RespondAction"/> and
/// <see cref="DelegateAction"/>.
/// </summary>
public abstract record TrafficAction
{
    private protected TrafficAction()
    {
    }
}

/// <summary>The request is sent to a backend, drawn by weight.</summary>
public sealed record ForwardAction : TrafficAction
{
    /// <summary>Weighted backends. None, or only weights of 0: requests are answered with 500.</summary>
    public ImmutableArray<TrafficBackend> Backends { get; init; } = [];

    /// <summary>The answer for a backend that does not exist: 500 by the Gateway API, 503 by Istio's own.</summary>
    public int MissingBackendStatus { get; init; } = 500;

    /// <summary>Change of host and path, or null.</summary>
    public UrlRewrite? Rewrite { get; init; }

    /// <summary>Who gets a copy of each request.</summary>
    public ImmutableArray<TrafficMirror> Mirrors { get; init; } = [];

    /// <summary>Time for the whole request, all tries together; null or zero: without end.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Time for one try; null or zero: as long as the whole.</summary>
    public TimeSpan? TryTimeout { get; init; }

    /// <summary>When a request is sent again; null: as the mesh does by default.</summary>
    public RetryRule? Retry { get; init; }

    /// <summary>How a client stays with one endpoint; null: as the service has it.</summary>
    public SessionPersistence? Session { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(ForwardAction? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && MissingBackendStatus == other.MissingBackendStatus
            && Rewrite == other.Rewrite
            && Timeout == other.Timeout
            && TryTimeout == other.TryTimeout
            && Retry == other.Retry
            && Session == other.Session
            && StructuralEquality.Same(Backends, other.Backends)
            && StructuralEquality.Same(Mirrors, other.Mirrors));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Backends.Length, Rewrite, Mirrors.Length, Timeout, TryTimeout, Retry);
}

/// <summary>The client is sent elsewhere.</summary>
/// <param name="Redirect">Where.</param>
public sealed record RedirectAction(RequestRedirect Redirect) : TrafficAction;

/// <summary>The request is answered at once.</summary>
/// <param name="StatusCode">Status, 200 to 599.</param>
/// <param name="Body">Body; empty: none.</param>
public sealed record RespondAction(int StatusCode, string Body) : TrafficAction;

/// <summary>The rules of another VirtualService decide, where both match. Rules with this action are replaced by those before anything acts on them.</summary>
/// <param name="Namespace">Namespace of the VirtualService.</param>
/// <param name="Name">Its name.</param>
public sealed record DelegateAction(string Namespace, string Name) : TrafficAction;

/// <summary>A backend of a rule.</summary>
/// <param name="Reference">What it refers to. Without a port it means the one that the request arrived at, or the only one that the service has.</param>
/// <param name="Weight">Share; 0 receives nothing.</param>
public sealed record TrafficBackend(ObjectReference Reference, int Weight)
{
    /// <summary>The subset of the service's endpoints, as a DestinationRule names it; null: all of them.</summary>
    public string? Subset { get; init; }

    /// <summary>Changes to the headers of requests that this backend gets, or null.</summary>
    public HeaderModification? RequestHeaders { get; init; }

    /// <summary>Changes to the headers of answers that this backend gives, or null.</summary>
    public HeaderModification? ResponseHeaders { get; init; }

    /// <summary>Change of host and path for this backend, in place of the rule's; null: the rule's.</summary>
    public UrlRewrite? Rewrite { get; init; }

    /// <summary>A redirect that answers this backend's share, or null.</summary>
    public RequestRedirect? Redirect { get; init; }

    /// <summary>Who gets a copy of what this backend gets, besides the rule's.</summary>
    public ImmutableArray<TrafficMirror> Mirrors { get; init; } = [];

    /// <summary>Who is asked about each request that this backend gets, after the rule's, or null.</summary>
    public RouteAuthorizer? Authorizer { get; init; }

    /// <summary>What browsers of other origins may do with what this backend answers, in place of the rule's; null: the rule's.</summary>
    public CorsRule? Cors { get; init; }

    /// <summary>Names of filters of this backend that this version does not act on: its share is answered with 500.</summary>
    public ImmutableArray<string> Unsupported { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TrafficBackend? other) =>
        other is not null
        && Reference == other.Reference
        && Weight == other.Weight
        && Subset == other.Subset
        && RequestHeaders == other.RequestHeaders
        && ResponseHeaders == other.ResponseHeaders
        && Rewrite == other.Rewrite
        && Redirect == other.Redirect
        && Authorizer == other.Authorizer
        && Cors == other.Cors
        && StructuralEquality.Same(Mirrors, other.Mirrors)
        && StructuralEquality.Same(Unsupported, other.Unsupported);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Reference, Weight, Subset, Unsupported.Length);
}

/// <summary>Who gets a copy of requests. Its answers are thrown away.</summary>
/// <param name="Reference">What it refers to.</param>
/// <param name="PartsPerMillion">Share of the requests that are copied, 0 to 1,000,000.</param>
public sealed record TrafficMirror(ObjectReference Reference, int PartsPerMillion = TrafficMirror.All)
{
    /// <summary>The share of every request.</summary>
    public const int All = 1_000_000;

    /// <summary>The subset of the service's endpoints; null: all of them.</summary>
    public string? Subset { get; init; }
}
