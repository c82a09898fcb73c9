namespace Ambient.Mesh;

/// <summary>A Secret with a certificate and its private key, as TLS is served or made with, or with authorities, or with both.</summary>
public sealed record TlsSecret
{
    /// <summary>What the name of a Secret ends with that has the authorities for one of the name before it.</summary>
    public const string AuthoritiesSuffix = "-cacert";

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>The certificate, then those between it and the root, as PEM text.</summary>
    public string Certificates { get; init; } = "";

    /// <summary>The certificate's private key; null when the Secret has none.</summary>
    public PrivateKeyPem? PrivateKey { get; init; }

    /// <summary>Why certificate and key cannot be used, for operators; null when they can.</summary>
    public string? Problem { get; init; }

    /// <summary>Certificates of authorities that the other side's certificate may come from, as PEM text; null: it has none.</summary>
    public string? Authorities { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal.</summary>
    public bool Equals(TlsSecret? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Name == other.Name && Namespace == other.Namespace && Certificates == other.Certificates
            && Equals(PrivateKey, other.PrivateKey) && Problem == other.Problem && Authorities == other.Authorities);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace);
}

/// <summary>
/// A private key as PEM text. Its text form does not show it, so that a log line, an exception or a dump of what holds it cannot either.
/// </summary>
public sealed class PrivateKeyPem : IEquatable<PrivateKeyPem>
{
    private readonly string _pem;

    /// <summary>Wraps a key.</summary>
    /// <param name="pem">PEM text.</param>
    public PrivateKeyPem(string pem)
    {
        ArgumentNullException.ThrowIfNull(pem);
        _pem = pem;
    }

    /// <summary>The PEM text, for whoever makes a key of it.</summary>
    public string Reveal() => _pem;

    /// <inheritdoc/>
    public bool Equals(PrivateKeyPem? other) => other is not null && _pem == other._pem;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PrivateKeyPem);

    /// <inheritdoc/>
    public override int GetHashCode() => _pem.GetHashCode(StringComparison.Ordinal);

    /// <summary>Says that there is a key, and nothing of it.</summary>
    public override string ToString() => "[private key]";
}

/// <summary>A ConfigMap with certificates of authorities under <c>ca.crt</c>.</summary>
public sealed record CertificateBundle
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>The certificates as PEM text.</summary>
    public string Certificates { get; init; } = "";

    /// <summary>Why it cannot be used, for operators; null when it can.</summary>
    public string? Problem { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";
}
