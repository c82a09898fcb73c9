using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>What a server of a Gateway of Istio's own says of its listeners (https://istio.io/latest/docs/reference/config/networking/gateway/#Server).</summary>
/// <param name="Index">Which server of its Gateway it is, from 0: its hosts share a certificate.</param>
/// <param name="Port">Port as it is written, which routes compare. The listener's own is the one that the Services of the gateway's pods lead it to.</param>
public sealed record IstioServer(int Index, int Port)
{
    /// <summary>Namespaces whose VirtualServices may attach; empty: all.</summary>
    public ImmutableArray<string> RouteNamespaces { get; init; } = [];

    /// <summary>Whether requests are sent to the same host by https, whatever routes say.</summary>
    public bool RedirectsToHttps { get; init; }

    /// <summary>How clients are asked for a certificate; null: they are not.</summary>
    public IstioClientValidation? ClientValidation { get; init; }

    /// <summary>Whether clients must speak TLS 1.3.</summary>
    public bool RequiresTls13 { get; init; }

    /// <summary>Whether clients must not speak TLS 1.3.</summary>
    public bool ForbidsTls13 { get; init; }

    /// <summary>Files at the gateway with what it shows and with the authorities of clients, in place of Secrets.</summary>
    public TlsFiles Files { get; init; } = TlsFiles.None;

    /// <summary>What it asks for that this version cannot do; null: nothing. Then it is not served.</summary>
    public string? Problem { get; init; }

    /// <summary>Whether every field is equal, namespaces by content.</summary>
    public bool Equals(IstioServer? other) =>
        other is not null
        && Index == other.Index
        && Port == other.Port
        && RedirectsToHttps == other.RedirectsToHttps
        && ClientValidation == other.ClientValidation
        && RequiresTls13 == other.RequiresTls13
        && ForbidsTls13 == other.ForbidsTls13
        && Files == other.Files
        && Problem == other.Problem
        && StructuralEquality.Same(RouteNamespaces, other.RouteNamespaces);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Index, Port, RedirectsToHttps, ClientValidation, Problem);
}

/// <summary>How clients are asked for a certificate.</summary>
/// <param name="Authorities">Names of Secrets of the gateway's namespace, of which the first that is there has the authorities.</param>
/// <param name="IsOptional">Whether clients without a certificate are let in. One that does not verify never is.</param>
public sealed record IstioClientValidation(ImmutableArray<string> Authorities, bool IsOptional)
{
    /// <summary>Names, DNS names or URIs, of which the certificate must have one; empty: any.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];

    /// <summary>Whether every field is equal, names by content.</summary>
    public bool Equals(IstioClientValidation? other) =>
        other is not null && IsOptional == other.IsOptional && StructuralEquality.Same(Authorities, other.Authorities)
        && StructuralEquality.Same(SubjectAltNames, other.SubjectAltNames);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsOptional, Authorities.Length, SubjectAltNames.Length);
}
