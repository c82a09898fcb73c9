using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Hosting.Variables;

/// <summary>Reads <see cref="NodeOptions"/>: the variables that ztunnel and waypoint share (docs/operations.md).</summary>
internal static class HostVariables
{
    /// <summary>Reads the shared variables; what is wrong is left in <paramref name="variables"/>.</summary>
    /// <param name="variables">The variables.</param>
    /// <param name="mesh">The MeshConfig that the pod is given, or null.</param>
    public static NodeOptions Read(VariableReader variables, MeshConfigObject? mesh = null)
    {
        ArgumentNullException.ThrowIfNull(variables);
        var filter = variables.Text("RUST_LOG", "info", "what is logged: error, warn, info, debug, trace, off; per target: info,access=debug")!;
        if (!LogFilter.TryParse(filter, out _, out var wrong))
        {
            variables.Fail($"RUST_LOG: \"{wrong}\" is neither a level nor target=level");
        }

        var manifests = variables.OptionalText("AMBIENT_MANIFESTS", "folder of Kubernetes YAML, watched: the mesh");
        var localPath = variables.OptionalText("LOCAL_XDS_PATH", "file in ztunnel's local YAML format: the mesh");
        var local = variables.OptionalText("LOCAL_XDS", "the mesh itself, in ztunnel's local YAML format");
        if (new[] { manifests, localPath, local }.Count(source => source is not null) > 1)
        {
            variables.Fail("AMBIENT_MANIFESTS, LOCAL_XDS_PATH and LOCAL_XDS: only one of them may be set");
        }

        if (manifests is not null && !Directory.Exists(manifests))
        {
            variables.Fail($"AMBIENT_MANIFESTS: there is no folder {manifests}");
        }

        if (localPath is not null && !File.Exists(localPath))
        {
            variables.Fail($"LOCAL_XDS_PATH: there is no file {localPath}");
        }

        var trustDomain = variables.Text("TRUST_DOMAIN", "cluster.local", "trust domain of this machine's identities")!;
        if (!Ambient.Identity.TrustDomain.TryParse(trustDomain, out _))
        {
            variables.Fail($"TRUST_DOMAIN: \"{trustDomain}\" is not a trust domain (a-z, 0-9, '.', '-', '_')");
        }

        // Read again, by itself, where TLS is done (HboneTls.Description): here it is checked and told.
        _ = variables.Choice(
            "AMBIENT_TLS", "auto", "who does the TLS of the mesh: openssl (called directly), managed (SslStream), or auto", ("auto", 0), ("openssl", 0), ("managed", 0));
        var cluster = variables.Text("CLUSTER_ID", "Kubernetes", "name of the cluster")!;
        var options = new NodeOptions
        {
            Manifests = manifests,
            PodRange = Range(variables, "AMBIENT_POD_RANGE", ComputedAddresses.Pods, "addresses of pods in AMBIENT_MANIFESTS that name none"),
            ServiceRange = Range(variables, "AMBIENT_SERVICE_RANGE", ComputedAddresses.Services, "addresses of services in AMBIENT_MANIFESTS that name none"),
            LocalXdsPath = localPath,
            LocalXds = local,
            AuthorityFolder = variables.OptionalText("AMBIENT_CA_DIR", "folder of the embedded certificate authority (mode 0700), shared by the hosts of a machine"),
            SecretTtl = Lifetime(variables),
            NodeName = variables.OptionalText("NODE_NAME", "node that this process serves; not set: all workloads"),
            ClusterId = variables.OptionalText("ISTIO_META_CLUSTER_ID", "name of the cluster; goes before CLUSTER_ID") ?? cluster,
            Network = variables.Text("NETWORK", "", "network of this node")!,
            ClusterDomain = variables.Text("CLUSTER_DOMAIN", "cluster.local", "DNS domain of the cluster")!,
            TrustDomain = trustDomain,
            RootNamespace = variables.Text("AMBIENT_ROOT_NAMESPACE", "istio-system", "namespace of mesh-wide policies in AMBIENT_MANIFESTS")!,
            PortOffset = variables.Integer("AMBIENT_PORT_OFFSET", 0, 0, 40000, "added to 15000, 15020 and 15021, so that several hosts can share a machine"),
            IPv6Enabled = variables.Boolean("IPV6_ENABLED", true, "listen on IPv6 as well"),
            TerminationDeadline = Deadline(variables),
            LogFormat = variables.Choice("LOG_FORMAT", "plain", "form of log lines: plain, or json for machines", ("plain", LogFormat.Plain), ("json", LogFormat.Json)),
            LogFilter = filter,
            IstioVersion = variables.OptionalText("ISTIO_META_ISTIO_VERSION", "version of Istio that istio_build shows") ?? "unknown",
            PathNormalization = mesh?.PathNormalization ?? PathNormalization.Base,
            LogsAccess = mesh?.LogsAccess ?? true,
            ExternalAuthorizers = mesh?.ExternalAuthorizers ?? [],
            Proxy = mesh?.Proxy ?? ProxySettings.None,
            Telemetry = (mesh?.Telemetry ?? MeshTelemetry.None).Over(TracingVariables.Read(variables)),
        };
        foreach (var alias in mesh?.TrustDomainAliases ?? [])
        {
            options.TrustDomainAliases.Add(alias);
        }

        return options;
    }

    private static IPNetwork Range(VariableReader variables, string name, IPNetwork byDefault, string meaning)
    {
        var text = variables.Text(name, byDefault.ToString(), meaning)!;
        if (IPNetwork.TryParse(text, out var range) && ComputedAddresses.Allows(range))
        {
            return range;
        }

        variables.Fail($"{name}: \"{text}\" is not an IPv4 range of /8 to /24");
        return byDefault;
    }

    private static TimeSpan Lifetime(VariableReader variables)
    {
        var shortest = TimeSpan.FromSeconds(1);
        var value = variables.Duration("SECRET_TTL", "24h", "life of certificates");
        if (value >= shortest)
        {
            return value;
        }

        variables.Fail("SECRET_TTL: must be at least one second");
        return shortest;
    }

    private static TimeSpan Deadline(VariableReader variables)
    {
        var deadline = variables.OptionalDuration("CONNECTION_TERMINATION_DEADLINE", "5s", "time that open connections get at shutdown");
        var grace = variables.OptionalInteger(
            "TERMINATION_GRACE_PERIOD_SECONDS", 0, 86400, "", "the pod's grace period; open connections get a little less, unless CONNECTION_TERMINATION_DEADLINE is set");
        return deadline ?? (grace is { } seconds ? TimeSpan.FromSeconds(Math.Max(1, seconds > 10 ? seconds - 5 : seconds - 1)) : TimeSpan.FromSeconds(5));
    }
}
