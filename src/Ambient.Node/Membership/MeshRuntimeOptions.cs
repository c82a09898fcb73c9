using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Authorities;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Membership;

/// <summary>What a node needs in order to belong to a mesh, whatever kind of node it is: a mesh, certificates, and who is revoked.</summary>
internal sealed record MeshRuntimeOptions
{
    /// <summary>Where the mesh comes from. Ignored where <see cref="Source"/> is set.</summary>
    public required DiscoveryOptions Discovery { get; init; }

    /// <summary>Who issues certificates. Ignored where <see cref="OwnAuthority"/> or <see cref="OwnSvids"/> is set.</summary>
    public required AuthorityOptions Authority { get; init; }

    /// <summary>File of revoked certificates, PEM or DER; null: nobody is revoked.</summary>
    public string? RevocationFile { get; init; }

    /// <summary>Makes a source of the application's own that fills the store, not disposed here; null: <see cref="Discovery"/> names it.</summary>
    public Func<MeshStore, IMeshSource>? Source { get; init; }

    /// <summary>
    /// Asks the control plane for what requests are routed and authorized by as well, as waypoints and gateways do; null: it is asked for workloads, services and
    /// layer 4 policies alone. Only those who serve requests name the session that does: a ztunnel would carry all of Envoy's schema otherwise.
    /// </summary>
    public Func<XdsOptions, MeshStore, ILogger, TimeProvider, IXdsSession>? Requests { get; init; }

    /// <summary>An authority of the application's own, not disposed here; null: <see cref="Authority"/> names it.</summary>
    public ICertificateAuthority? OwnAuthority { get; init; }

    /// <summary>Certificates of the application's own, in place of an authority and a cache; not disposed here. Null: they come from the authority.</summary>
    public ISvidSource? OwnSvids { get; init; }

    /// <summary>Put before the names of loggers, so that an application's own filters find them. Default empty, as host processes name them.</summary>
    public string LogPrefix { get; init; } = "";

    /// <summary>
    /// Whether anything brings Gateways, routes and layer 7 policies: a folder, or istiod by its Envoy configuration. ztunnel's local format has none of them,
    /// and istiod's workload API neither; a source of the application's own says itself what it brings.
    /// </summary>
    public bool BringsRequests => Source is not null || !string.IsNullOrEmpty(Discovery.ManifestsFolder) || (Discovery.Xds is not null && Requests is not null);

    /// <summary>Everything that is wrong, each with what to set. Empty: nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (Source is null)
        {
            ValidateSource(errors);
        }

        if (OwnSvids is null && OwnAuthority is null)
        {
            ValidateAuthority(errors);
        }

        if (!TrustDomain.TryParse(Discovery.TrustDomain, out _))
        {
            errors.Add($"TrustDomain (TRUST_DOMAIN): \"{Discovery.TrustDomain}\" is not a trust domain (a-z, 0-9, '.', '-', '_')");
        }

        foreach (var alias in Discovery.TrustDomainAliases.Where(alias => !TrustDomain.TryParse(alias, out _)))
        {
            errors.Add($"TrustDomainAliases: \"{alias}\" is not a trust domain (a-z, 0-9, '.', '-', '_')");
        }

        return errors;
    }

    private void ValidateSource(List<string> errors)
    {
        var files = new[] { Discovery.ManifestsFolder, Discovery.LocalConfigPath, Discovery.LocalConfig }.Count(source => !string.IsNullOrEmpty(source));
        if (files == 0 && Discovery.Xds is null)
        {
            errors.Add("no source for the mesh: set XDS_ADDRESS to a control plane, AMBIENT_MANIFESTS to a folder of Kubernetes YAML, or LOCAL_XDS_PATH to a file in ztunnel's local format");
        }
        else if (files > 1)
        {
            errors.Add("more than one source for the mesh: set only one of AMBIENT_MANIFESTS, LOCAL_XDS_PATH and LOCAL_XDS");
        }

        if (Discovery is { ManifestsFolder: { Length: > 0 } folder } && !Directory.Exists(folder))
        {
            errors.Add($"AMBIENT_MANIFESTS: there is no folder {folder}");
        }

        if (Discovery is { LocalConfigPath: { Length: > 0 } file } && !File.Exists(file))
        {
            errors.Add($"LOCAL_XDS_PATH: there is no file {file}");
        }
    }

    private void ValidateAuthority(List<string> errors)
    {
        var named = (Authority.Folder is null ? 0 : 1) + (Authority.Istio is null ? 0 : 1) + (Authority.WorkloadApi is null ? 0 : 1);
        if (named == 0)
        {
            errors.Add("no certificate authority: set CA_ADDRESS to Istio's, SPIFFE_ENDPOINT_SOCKET to a SPIRE agent's socket, or AMBIENT_CA_DIR to a folder that the hosts of this machine share");
        }
        else if (named > 1)
        {
            errors.Add("more than one certificate authority: set only one of CA_ADDRESS, SPIFFE_ENDPOINT_SOCKET and AMBIENT_CA_DIR");
        }

        if (Authority.Lifetime < TimeSpan.FromSeconds(1))
        {
            errors.Add($"SECRET_TTL: {Authority.Lifetime} is shorter than one second");
        }
    }
}
