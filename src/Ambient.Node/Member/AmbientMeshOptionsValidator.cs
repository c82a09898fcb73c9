using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Membership;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>Finds everything that is wrong with <see cref="AmbientMeshOptions"/>, each with what to do.</summary>
internal sealed class AmbientMeshOptionsValidator(NodeRole role, IServiceProvider services) : IValidateOptions<AmbientMeshOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, AmbientMeshOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = new List<string>();
        var own = OwnParts.Of(services);
        if (!role.IsMember)
        {
            // The settings of the node itself are validated with what is its own.
            ValidateControlPlane(errors, options);
            return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
        }

        Require(errors, "Pod", options.Pod, "the name of the pod that this process runs as");
        Require(errors, "Namespace", options.Namespace, "the namespace of that pod");
        ValidateControlPlane(errors, options);
        var authorities = new[] { options.AuthorityFolder, options.IstioAuthority?.Address, options.WorkloadApi }.Count(authority => !string.IsNullOrWhiteSpace(authority));
        if (authorities == 0 && !own.Authority)
        {
            errors.Add("Ambient:AuthorityFolder: must be set: the folder of the certificate authority that the mesh shares (or Ambient:IstioAuthority, or Ambient:WorkloadApi)");
        }
        else if (authorities > 1)
        {
            errors.Add("Ambient:AuthorityFolder, Ambient:IstioAuthority and Ambient:WorkloadApi: only one of them may be set");
        }

        switch (options.Manifests, options.LocalConfig)
        {
            case (null or "", null or "") when options.Istiod is not null || own.Source:
                break;
            case (null or "", null or ""):
                errors.Add("Ambient:Manifests: must be set: the folder of Kubernetes YAML that is the mesh (or Ambient:LocalConfig, or Ambient:Istiod)");
                break;
            case ({ Length: > 0 }, { Length: > 0 }):
                errors.Add("Ambient:Manifests and Ambient:LocalConfig: only one of them may be set");
                break;
            case ({ Length: > 0 } folder, _) when !Directory.Exists(folder):
                errors.Add($"Ambient:Manifests: there is no folder {folder}");
                break;
            case (_, { Length: > 0 } file) when !File.Exists(file):
                errors.Add($"Ambient:LocalConfig: there is no file {file}");
                break;
            default:
                break;
        }

        if (!TrustDomain.TryParse(options.TrustDomain, out _))
        {
            errors.Add($"Ambient:TrustDomain: \"{options.TrustDomain}\" is not a trust domain (a-z, 0-9, '.', '-', '_')");
        }

        if (options.StartTimeout < TimeSpan.FromSeconds(1) || options.StartTimeout > TimeSpan.FromMinutes(10))
        {
            errors.Add($"Ambient:StartTimeout: {options.StartTimeout} is not between one second and ten minutes");
        }

        if (options.DrainTimeout < TimeSpan.Zero || options.DrainTimeout > TimeSpan.FromHours(1))
        {
            errors.Add($"Ambient:DrainTimeout: {options.DrainTimeout} is not between zero and one hour");
        }

        foreach (var (setting, value) in new[] { ("MaxConnections", options.MaxConnections), ("MaxConnectionsPerPeer", options.MaxConnectionsPerPeer) })
        {
            if (value is < 1 or > 10_000_000)
            {
                errors.Add($"Ambient:{setting}: {value} is not between 1 and 10,000,000");
            }
        }

        foreach (var path in options.ProbePaths.Where(static path => path is not ['/', ..] || path.AsSpan().ContainsAny("?#")))
        {
            errors.Add($"Ambient:ProbePaths: \"{path}\" is not a path such as /healthz");
        }

        foreach (var port in options.Ports.Where(static port => port is < 1 or > ushort.MaxValue))
        {
            errors.Add($"Ambient:Ports: {port} is not a port from 1 to 65535");
        }

        foreach (var port in options.ProbePorts.Where(static port => port is < 1 or > ushort.MaxValue))
        {
            errors.Add($"Ambient:ProbePorts: {port} is not a port from 1 to 65535");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static void ValidateControlPlane(List<string> errors, AmbientMeshOptions options)
    {
        string? fault = null;
        if (options.Istiod?.ToControlPlane("xDS", options.ClusterId, out fault) is null && fault is not null)
        {
            errors.Add($"Ambient:Istiod:Address: {fault}");
        }

        fault = null;
        if (options.IstioAuthority?.ToControlPlane("CA", options.ClusterId, out fault) is null && fault is not null)
        {
            errors.Add($"Ambient:IstioAuthority:Address: {fault}");
        }

        if (options.WorkloadApi is { } agent && !WorkloadApiAddress.TryParse(agent, out _, out fault))
        {
            errors.Add($"Ambient:WorkloadApi: \"{agent}\": {fault}");
        }

        if (options.Istiod is { OnDemand: true } && options.Pod is not null)
        {
            errors.Add("Ambient:Istiod:OnDemand: only a ztunnel can ask piece by piece");
        }
    }

    private static void Require(List<string> errors, string setting, string? value, string meaning)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            errors.Add($"Ambient:{setting}: must be set: {meaning}");
        }
    }
}
