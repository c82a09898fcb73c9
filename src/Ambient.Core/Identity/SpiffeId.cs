using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Ambient.Identity;

/// <summary>
/// A SPIFFE ID: <c>spiffe://trust-domain/path</c>. A value with one strict parser (SPIFFE-ID sections 2.1 to 2.3):
/// what is not byte for byte legal is no identity. Compared ordinally as a whole.
/// </summary>
public sealed class SpiffeId : IEquatable<SpiffeId>
{
    /// <summary>Longest legal ID, in bytes.</summary>
    public const int MaxLength = 2048;

    private const string Scheme = "spiffe://";

    private static readonly SearchValues<char> LegalInPath =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/");

    private readonly string _uri;
    private readonly int _hash;

    private SpiffeId(string uri, TrustDomain trustDomain, string? ns, string? serviceAccount)
    {
        _uri = uri;
        _hash = uri.GetHashCode(StringComparison.Ordinal);
        TrustDomain = trustDomain;
        Namespace = ns;
        ServiceAccount = serviceAccount;
    }

    /// <summary>The trust domain.</summary>
    public TrustDomain TrustDomain { get; }

    /// <summary>The path with its leading slash; empty when the ID names a trust domain only.</summary>
    public ReadOnlySpan<char> Path => _uri.AsSpan(Scheme.Length + TrustDomain.Name.Length);

    /// <summary>Kubernetes namespace when the path is exactly <c>/ns/x/sa/y</c>, else null.</summary>
    public string? Namespace { get; }

    /// <summary>Kubernetes service account when the path is exactly <c>/ns/x/sa/y</c>, else null.</summary>
    public string? ServiceAccount { get; }

    /// <summary>The ID without <c>spiffe://</c>, as policies name principals.</summary>
    public ReadOnlySpan<char> Principal => _uri.AsSpan(Scheme.Length);

    /// <summary>
    /// The identity of a Kubernetes service account. Never throws for what a mesh source may hold: from parts that are not
    /// legal comes an ID that no certificate can carry and no authority issues, so it matches no peer.
    /// </summary>
    public static SpiffeId ForServiceAccount(string trustDomain, string ns, string serviceAccount)
    {
        ArgumentNullException.ThrowIfNull(trustDomain);
        ArgumentNullException.ThrowIfNull(ns);
        ArgumentNullException.ThrowIfNull(serviceAccount);
        return new($"{Scheme}{trustDomain}/ns/{ns}/sa/{serviceAccount}", new TrustDomain(trustDomain), ns, serviceAccount);
    }

    /// <summary>Parses an ID.</summary>
    /// <exception cref="FormatException">The text is no SPIFFE ID; the message says why.</exception>
    public static SpiffeId Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text.AsSpan(), text, out var id, out var fault) ? id : throw new FormatException($"SPIFFE ID {Quote(text)}: {fault}");
    }

    /// <summary>Parses an ID.</summary>
    /// <exception cref="FormatException">The text is no SPIFFE ID; the message says why.</exception>
    public static SpiffeId Parse(ReadOnlySpan<char> text) =>
        TryParse(text, null, out var id, out var fault) ? id : throw new FormatException($"SPIFFE ID {Quote(text)}: {fault}");

    /// <summary>Parses an ID, or says that it is none.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out SpiffeId? id)
    {
        id = null;
        return text is not null && TryParse(text.AsSpan(), text, out id, out _);
    }

    /// <summary>Parses an ID, or says that it is none.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out SpiffeId? id) => TryParse(text, null, out id, out _);

    /// <summary>Whether the ID lies in a trust domain.</summary>
    public bool IsMemberOf(TrustDomain trustDomain) => TrustDomain == trustDomain;

    /// <inheritdoc/>
    public bool Equals(SpiffeId? other) =>
        ReferenceEquals(this, other) || (other is not null && _hash == other._hash && string.Equals(_uri, other._uri, StringComparison.Ordinal));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SpiffeId);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;

    /// <summary>The whole URI.</summary>
    public override string ToString() => _uri;

    /// <summary>Parses, and says why a text is no ID.</summary>
    internal static bool TryParse(
        ReadOnlySpan<char> text, string? original, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? fault)
    {
        id = null;
        fault = Fault(text, out var trustDomainLength);
        if (fault is not null)
        {
            return false;
        }

        var trustDomain = new TrustDomain(text.Slice(Scheme.Length, trustDomainLength).ToString());
        ReadServiceAccount(text[(Scheme.Length + trustDomainLength)..], out var ns, out var serviceAccount);
        id = new SpiffeId(original ?? text.ToString(), trustDomain, ns, serviceAccount);
        return true;
    }

    /// <summary>A peer's text for a log line: control characters out, length bounded.</summary>
    internal static string Quote(ReadOnlySpan<char> text)
    {
        const int Shown = 128;
        var shown = text.Length > Shown ? text[..Shown] : text;
        return string.Create(null, $"\"{string.Concat(shown.ToString().Select(c => c is < ' ' or > '~' or '"' ? '?' : c))}{(text.Length > Shown ? "..." : "")}\"");
    }

    private static string? Fault(ReadOnlySpan<char> text, out int trustDomainLength)
    {
        trustDomainLength = 0;
        if (text.Length > MaxLength)
        {
            return "longer than 2048 bytes";
        }

        if (!text.StartsWith(Scheme, StringComparison.Ordinal))
        {
            return "does not start with spiffe://";
        }

        var rest = text[Scheme.Length..];
        var slash = rest.IndexOf('/');
        trustDomainLength = slash < 0 ? rest.Length : slash;
        if (TrustDomain.Fault(rest[..trustDomainLength]) is { } fault)
        {
            return fault;
        }

        return PathFault(rest[trustDomainLength..]);
    }

    private static string? PathFault(ReadOnlySpan<char> path)
    {
        if (path.IsEmpty)
        {
            return null;
        }

        // Queries, fragments and percent-encodings fall to this check as well.
        if (path.ContainsAnyExcept(LegalInPath))
        {
            return "a path has only letters, digits, '.', '-' and '_' between its slashes";
        }

        foreach (var range in path[1..].Split('/'))
        {
            switch (path[1..][range])
            {
                case "":
                    return "the path has an empty segment or ends with a slash";
                case "." or "..":
                    return "the path has a segment \".\" or \"..\"";
            }
        }

        return null;
    }

    private static void ReadServiceAccount(ReadOnlySpan<char> path, out string? ns, out string? serviceAccount)
    {
        ns = serviceAccount = null;
        Span<Range> parts = stackalloc Range[6];
        if (path.Split(parts, '/') == 5 && path[parts[1]] is "ns" && path[parts[3]] is "sa")
        {
            ns = path[parts[2]].ToString();
            serviceAccount = path[parts[4]].ToString();
        }
    }
}
