namespace Ambient.Node.Discovery.Objects;

/// <summary>What every Kubernetes object has.</summary>
internal sealed record ObjectMeta
{
    /// <summary>Kind, for example <c>Pod</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace; empty for objects of the cluster.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>Labels.</summary>
    public Dictionary<string, string> Labels { get; init; } = [];

    /// <summary>Annotations.</summary>
    public Dictionary<string, string> Annotations { get; init; } = [];

    /// <summary>When it was created; the beginning of time where a manifest does not say, so that order falls to names.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Where it was read first. An object that moves and says the same stays the same; where it stands now, the load knows.</summary>
    public ObjectPlace Place { get; init; }

    /// <summary><c>namespace/name</c>, or the name alone for objects of the cluster.</summary>
    public string Key => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";

    /// <summary>A label's value, or null.</summary>
    public string? Label(string name) => Labels.GetValueOrDefault(name);

    /// <summary>An annotation's value, or null.</summary>
    public string? Annotation(string name) => Annotations.GetValueOrDefault(name);

    /// <inheritdoc/>
    public override string ToString() => $"{Kind} {Key}";
}

/// <summary>Where an object was read.</summary>
/// <param name="File">File.</param>
/// <param name="Line">Line, from 1; 0 when made rather than read.</param>
/// <param name="Column">Column, from 1.</param>
internal readonly record struct ObjectPlace(string File, int Line, int Column)
{
    /// <inheritdoc/>
    public override string ToString() => Line > 0 ? $"{File}:{Line}:{Column}" : File;
}

/// <summary>A Kubernetes object as far as the mesh needs it.</summary>
/// <param name="Meta">Metadata.</param>
internal abstract record KubernetesObject(ObjectMeta Meta);
