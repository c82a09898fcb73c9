using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Ambient.Identity;

/// <summary>
/// Name of a SPIFFE trust domain: 1 to 255 characters of <c>a-z 0-9 . - _</c> (SPIFFE-ID section 2.1).
/// Made only by parsing; the default value is the visible zero, an empty name that no certificate can carry.
/// </summary>
public readonly struct TrustDomain : IEquatable<TrustDomain>
{
    /// <summary>Longest legal name, in characters.</summary>
    public const int MaxLength = 255;

    private static readonly SearchValues<char> Legal = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789.-_");

    private readonly string? _name;

    internal TrustDomain(string name) => _name = name;

    /// <summary>The name; empty for the default value.</summary>
    public string Name => _name ?? "";

    /// <summary>The name, so that a trust domain can stand wherever its text is wanted.</summary>
    public static implicit operator string(TrustDomain trustDomain) => trustDomain.Name;

    /// <summary>Whether two names are equal; names are lower case by rule, so the comparison is ordinal.</summary>
    public static bool operator ==(TrustDomain left, TrustDomain right) => left.Equals(right);

    /// <summary>Whether two names differ.</summary>
    public static bool operator !=(TrustDomain left, TrustDomain right) => !left.Equals(right);

    /// <summary>Parses a name.</summary>
    /// <exception cref="FormatException">The name is empty, too long or has an illegal character; the message says which.</exception>
    public static TrustDomain Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Fault(name) is { } fault ? throw new FormatException($"trust domain {SpiffeId.Quote(name)}: {fault}") : new TrustDomain(name);
    }

    /// <summary>Parses a name, or says that it is none.</summary>
    public static bool TryParse([NotNullWhen(true)] string? name, out TrustDomain trustDomain)
    {
        trustDomain = default;
        if (name is null || Fault(name) is not null)
        {
            return false;
        }

        trustDomain = new TrustDomain(name);
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(TrustDomain other) => string.Equals(Name, other.Name, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TrustDomain other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>Why a name is illegal; null when it is legal.</summary>
    internal static string? Fault(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty)
        {
            return "the trust domain is empty";
        }

        if (name.Length > MaxLength)
        {
            return "the trust domain is longer than 255 characters";
        }

        return name.ContainsAnyExcept(Legal) ? "a trust domain has only a-z, 0-9, '.', '-' and '_' (no port, no user, lower case)" : null;
    }
}
