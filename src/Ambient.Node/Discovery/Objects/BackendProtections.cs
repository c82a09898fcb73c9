using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Objects;

/// <summary>A BackendTLSPolicy.</summary>
/// <param name="Meta">Metadata.</param>
/// <param name="Targets">What it is attached to; a section is the name of a port.</param>
internal sealed record BackendTlsPolicyObject(ObjectMeta Meta, IReadOnlyList<ObjectReference> Targets) : KubernetesObject(Meta)
{
    /// <summary>Server name that is asked for.</summary>
    public string ServerName { get; init; } = "";

    /// <summary>ConfigMaps with the authorities that the backend's certificate may come from.</summary>
    public IReadOnlyList<ObjectReference> Authorities { get; init; } = [];

    /// <summary>Well-known authorities in place of these; only <c>System</c> is known.</summary>
    public string? WellKnownAuthorities { get; init; }

    /// <summary>Names of which the backend's certificate must have one.</summary>
    public ImmutableArray<SubjectAltName> SubjectAltNames { get; init; } = [];
}

/// <summary>A DestinationRule.</summary>
/// <param name="Meta">Metadata.</param>
/// <param name="Host">Host as written: a short name, a whole one, or one with a leading wildcard.</param>
internal sealed record DestinationRuleObject(ObjectMeta Meta, string Host) : KubernetesObject(Meta)
{
    /// <summary>The rule itself; its host as written.</summary>
    public required DestinationRule Rule { get; init; }
}
