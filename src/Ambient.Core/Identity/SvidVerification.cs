using System.Diagnostics.CodeAnalysis;

namespace Ambient.Identity;

/// <summary>The answer of <see cref="SvidVerifier"/>: who the peer is, or why it is nobody.</summary>
public sealed class SvidVerification
{
    private SvidVerification(SpiffeId? id, SvidFailure failure, string? reason)
    {
        Id = id;
        Failure = failure;
        Reason = reason;
    }

    /// <summary>Whether the peer is accepted.</summary>
    [MemberNotNullWhen(true, nameof(Id))]
    [MemberNotNullWhen(false, nameof(Reason))]
    public bool IsAccepted => Id is not null;

    /// <summary>The verified identity; null when the peer is refused.</summary>
    public SpiffeId? Id { get; }

    /// <summary>The kind of failure; <see cref="SvidFailure.None"/> when the peer is accepted.</summary>
    public SvidFailure Failure { get; }

    /// <summary>A sentence for the log; null when the peer is accepted.</summary>
    public string? Reason { get; }

    /// <summary>The identity, or the reason.</summary>
    public override string ToString() => Id?.ToString() ?? Reason!;

    internal static SvidVerification Accepted(SpiffeId id) => new(id, SvidFailure.None, null);

    internal static SvidVerification Refused(SvidFailure failure, string reason) => new(null, failure, reason);
}
