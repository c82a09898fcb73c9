using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Which backends are spoken to in TLS, and which ask for it and cannot be: those get nothing. Of two policies for a port, the one that names the
/// port counts before one for all ports, and then the older one (GEP-1897).
/// </summary>
internal static class BackendProtectionTranslation
{
    /// <summary>TLS that is made, by the host name of the service; and what is asked for in vain.</summary>
    public static (IReadOnlyDictionary<string, BackendProtection> Made, ImmutableArray<UnmetProtection> Unmet) Translate(KubernetesObjects objects, TranslationOptions options)
    {
        var hosts = new SortedDictionary<string, Claims>(StringComparer.Ordinal);
        foreach (var policy in objects.BackendTlsPolicies.Values.OrderBy(policy => policy.Meta.CreationTime).ThenBy(policy => policy.Meta.Key, StringComparer.Ordinal))
        {
            foreach (var target in policy.Targets)
            {
                Claim(objects, options, policy, target, hosts);
            }
        }

        var made = new SortedDictionary<string, BackendProtection>(StringComparer.Ordinal);
        var unmet = ImmutableArray.CreateBuilder<UnmetProtection>();
        foreach (var (host, claims) in hosts)
        {
            Resolve(objects, host, claims, made, unmet);
        }

        return (made, unmet.ToImmutable());
    }

    /// <summary>Policies that protect nothing that another one does not, for operators.</summary>
    public static IEnumerable<TranslationNotice> Conflicts(KubernetesObjects objects, TranslationOptions options)
    {
        var hosts = new SortedDictionary<string, Claims>(StringComparer.Ordinal);
        foreach (var policy in objects.BackendTlsPolicies.Values.OrderBy(policy => policy.Meta.CreationTime).ThenBy(policy => policy.Meta.Key, StringComparer.Ordinal))
        {
            foreach (var target in policy.Targets)
            {
                if (Claim(objects, options, policy, target, hosts) is { } winner)
                {
                    yield return new TranslationNotice(
                        policy, $"{policy.Meta} does not protect {target.Kind} {target.Namespace}/{target.Name}: {winner.Meta} is older and has the same target");
                }
            }
        }
    }

    /// <summary>Notes what a policy asks for. What was there before it stays, and is returned.</summary>
    private static BackendTlsPolicyObject? Claim(
        KubernetesObjects objects, TranslationOptions options, BackendTlsPolicyObject policy, ObjectReference target, SortedDictionary<string, Claims> hosts)
    {
        var (names, ports) = target switch
        {
            { Group: "" or "core", Kind: "Service" } =>
                (new[] { $"{target.Name}.{target.Namespace}.svc.{options.ClusterDomain}" },
                    objects.Services.GetValueOrDefault($"{target.Namespace}/{target.Name}")?.Ports),
            { Group: "networking.istio.io", Kind: "ServiceEntry" } when objects.ServiceEntries.GetValueOrDefault($"{target.Namespace}/{target.Name}") is { } entry =>
                ([.. entry.Hosts], entry.Ports),
            { Group: "networking.istio.io", Kind: "Hostname" } => ([target.Name], null),
            _ => ([], null),
        };

        // A section that no port is named after may be one that is misspelt: then all of them are meant.
        var named = target.SectionName is { } section ? ports?.Where(port => port.Name == section).Select(port => port.Port).ToArray() ?? [] : [];
        BackendTlsPolicyObject? winner = null;
        foreach (var name in names)
        {
            if (!hosts.TryGetValue(name, out var claims))
            {
                hosts[name] = claims = new Claims([.. ports?.Select(port => port.Port) ?? []]);
            }

            if (named.Length == 0)
            {
                winner ??= claims.Default;
                claims.Default ??= policy;
            }

            foreach (var port in named)
            {
                winner ??= claims.ByPort.GetValueOrDefault(port);
                claims.ByPort.TryAdd(port, policy);
            }
        }

        return winner;
    }

    private static void Resolve(
        KubernetesObjects objects, string host, Claims claims, SortedDictionary<string, BackendProtection> made, ImmutableArray<UnmetProtection>.Builder unmet)
    {
        var byPort = ImmutableDictionary.CreateBuilder<int, BackendTls>();
        foreach (var (port, policy) in claims.ByPort)
        {
            if (TlsOf(objects, policy, out var problem) is { } tls)
            {
                byPort.Add(port, tls);
            }
            else
            {
                unmet.Add(new UnmetProtection(host, port, $"{policy.Meta} ({problem})"));
            }
        }

        BackendTls? rest = null;
        if (claims.Default is { } general)
        {
            rest = TlsOf(objects, general, out var problem);
            if (rest is null)
            {
                // Ports with a policy of their own are not the concern of the general one.
                var others = claims.Ports.Where(port => !claims.ByPort.ContainsKey(port)).Select(port => (int?)port).ToArray();
                unmet.AddRange((claims.Ports.IsEmpty || claims.ByPort.Count == 0 ? [null] : others).Select(port => new UnmetProtection(host, port, $"{general.Meta} ({problem})")));
            }
        }

        if (rest is not null || byPort.Count > 0)
        {
            made[host] = new BackendProtection(rest, byPort.ToImmutable());
        }
    }

    /// <summary>What a policy asks for. Null: it cannot be done, and the problem says why.</summary>
    private static BackendTls? TlsOf(KubernetesObjects objects, BackendTlsPolicyObject policy, out string problem)
    {
        var authorities = ImmutableArray.CreateBuilder<CertificateBundle>();
        var problems = new List<string>();
        foreach (var reference in policy.Authorities)
        {
            var shown = $"{reference.Kind} {reference.Namespace}/{reference.Name}";
            if (reference is not { Group: "" or "core", Kind: "ConfigMap" })
            {
                problems.Add($"{shown} is of an unknown kind; expected a ConfigMap");
            }
            else if (!objects.CertificateBundles.TryGetValue($"{reference.Namespace}/{reference.Name}", out var bundle))
            {
                problems.Add($"{shown} does not exist, or has no ca.crt");
            }
            else if (bundle.Bundle.Problem is { } broken)
            {
                problems.Add($"{shown} cannot be used: {broken}");
            }
            else
            {
                authorities.Add(bundle.Bundle);
            }
        }

        var usesSystem = policy.Authorities.Count == 0 && policy.WellKnownAuthorities == "System";
        if (policy.Authorities.Count == 0 && !usesSystem)
        {
            problems.Add(policy.WellKnownAuthorities is { Length: > 0 } other
                ? $"the well-known authorities {other} are not known; expected System"
                : "neither caCertificateRefs nor wellKnownCACertificates names an authority");
        }

        problem = string.Join("; ", problems);
        return authorities.Count == 0 && !usesSystem ? null : new BackendTls
        {
            ShowsGatewayCertificate = true,
            AskedBy = policy.Meta.ToString(),
            ServerName = policy.ServerName,
            SubjectAltNames = policy.SubjectAltNames,
            Authorities = authorities.ToImmutable(),
        };
    }

    /// <summary>Who asks for what of one host.</summary>
    private sealed class Claims(ImmutableArray<int> ports)
    {
        public ImmutableArray<int> Ports => ports;

        public BackendTlsPolicyObject? Default { get; set; }

        public SortedDictionary<int, BackendTlsPolicyObject> ByPort { get; } = [];
    }
}
