using Ambient.Identity;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>Finds everything that is wrong with <see cref="AmbientMeshOptions"/>, each with what to do.</summary>
internal sealed class AmbientMeshOptionsValidator : IValidateOptions<AmbientMeshOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, AmbientMeshOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = new List<string>();
        Require(errors, "Pod", options.Pod, "the name of the pod that this process runs as");
        Require(errors, "Namespace", options.Namespace, "the namespace of that pod");
        Require(errors, "AuthorityFolder", options.AuthorityFolder, "the folder of the certificate authority that the mesh shares");
        switch (options.Manifests, options.LocalConfig)
        {
            case (null or "", null or ""):
                errors.Add("Ambient:Manifests: must be set: the folder of Kubernetes YAML that is the mesh (or Ambient:LocalConfig)");
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

        foreach (var path in options.ProbePaths.Where(static path => path is not ['/', ..] || path.AsSpan().ContainsAny("?#")))
        {
            errors.Add($"Ambient:ProbePaths: \"{path}\" is not a path such as /healthz");
        }

        foreach (var port in options.ProbePorts.Where(static port => port is < 1 or > ushort.MaxValue))
        {
            errors.Add($"Ambient:ProbePorts: {port} is not a port from 1 to 65535");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static void Require(List<string> errors, string setting, string? value, string meaning)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            errors.Add($"Ambient:{setting}: must be set: {meaning}");
        }
    }
}
