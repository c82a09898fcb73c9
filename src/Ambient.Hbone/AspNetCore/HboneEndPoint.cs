using System.Net;

namespace Ambient.Hbone.AspNetCore;

/// <summary>A name for tunnels to be served under, in place of an address.</summary>
/// <param name="name">Name, for logs.</param>
public sealed class HboneEndPoint(string name) : EndPoint
{
    /// <summary>Name.</summary>
    public string Name { get; } = name;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is HboneEndPoint other && other.Name == Name;

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => $"hbone:{Name}";
}
