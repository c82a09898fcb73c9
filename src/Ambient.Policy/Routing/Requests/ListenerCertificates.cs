using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Finds the Secrets and ConfigMaps that a listener's TLS refers to.</summary>
internal static class ListenerCertificates
{
    private const string GatewayGroup = "gateway.networking.k8s.io";

    /// <summary>What the listener is to show. Null: something that it refers to cannot be used, and the problem says what.</summary>
    /// <param name="configuration">Secrets, ConfigMaps and ReferenceGrants.</param>
    /// <param name="gateway">The gateway, which says how clients are verified.</param>
    /// <param name="set">Whose listener it is; null: the gateway's own.</param>
    /// <param name="listener">The listener.</param>
    /// <param name="problem">Why there is nothing, for operators.</param>
    internal static ListenerTls? Resolve(RequestConfiguration configuration, Gateway gateway, ListenerSet? set, GatewayListener listener, out string? problem)
    {
        // A Gateway of Istio's own names Secrets of the namespace that its pods are in.
        var (kind, ns) = set is null || set.IsIstio ? ("Gateway", gateway.Namespace) : ("ListenerSet", set.Namespace);
        var certificates = ImmutableArray.CreateBuilder<TlsSecret>(listener.Certificates.Length);
        foreach (var reference in listener.Certificates)
        {
            if (FindSecret(configuration, kind, ns, reference, out problem) is not { } secret)
            {
                return null;
            }

            certificates.Add(secret);
        }

        var tls = new ListenerTls
        {
            Certificates = certificates.ToImmutable(),
            RequiresTls13 = listener.RequiresTls13 || listener.Server is { RequiresTls13: true },
            ForbidsTls13 = listener.ForbidsTls13 || listener.Server is { ForbidsTls13: true },
        };
        if (listener.Server is { } ofFiles && ofFiles.Files != TlsFiles.None)
        {
            // Whether they can be used is seen where they are.
            problem = null;
            return tls with
            {
                Files = ofFiles.Files,
                IsClientCertificateOptional = ofFiles.ClientValidation is { IsOptional: true },
                ClientNames = ofFiles.ClientValidation?.SubjectAltNames ?? [],
            };
        }

        if (listener.Server is { } server)
        {
            return WithClients(configuration, gateway, server.ClientValidation, tls, out problem);
        }

        if (listener.Clients is { } clients)
        {
            return WithClients(configuration, gateway, clients, tls, out problem);
        }

        var validation = gateway.ClientValidationByPort.TryGetValue(listener.Port, out var ofPort) ? ofPort : gateway.ClientValidation;
        if (validation is null)
        {
            problem = null;
            return tls;
        }

        // Those that can be used count; without any, nobody could be verified.
        var authorities = ImmutableArray.CreateBuilder<CertificateBundle>();
        var problems = new List<string>();
        foreach (var reference in validation.Authorities)
        {
            if (FindBundle(configuration, gateway.Namespace, reference, out problem) is { } bundle)
            {
                authorities.Add(bundle);
            }
            else
            {
                problems.Add(problem!);
            }
        }

        problem = authorities.Count == 0 ? $"clients cannot be verified: {(problems.Count == 0 ? "no authority is named" : string.Join("; ", problems))}" : null;
        return problem is not null ? null : tls with
        {
            ClientAuthorities = authorities.ToImmutable(),
            AllowsInsecureFallback = validation.AllowsInsecureFallback,
        };
    }

    private static ListenerTls? WithClients(
        RequestConfiguration configuration, Gateway gateway, IstioClientValidation? asked, ListenerTls tls, out string? problem)
    {
        problem = null;
        if (asked is not { } validation)
        {
            return tls;
        }

        var secret = validation.Authorities.Select(name => configuration.Secrets.GetValueOrDefault($"{gateway.Namespace}/{name}")).FirstOrDefault(static secret => secret?.Authorities is not null);
        if (secret is null)
        {
            problem = $"clients cannot be verified: there are no authorities under ca.crt in {string.Join(" or ", validation.Authorities.Select(name => $"Secret {gateway.Namespace}/{name}"))}";
            return null;
        }

        return tls with
        {
            ClientAuthorities = [new CertificateBundle { Name = secret.Name, Namespace = secret.Namespace, Certificates = secret.Authorities! }],
            IsClientCertificateOptional = validation.IsOptional,
            ClientNames = validation.SubjectAltNames,
        };
    }

    /// <summary>The Secret that a Gateway or ListenerSet refers to; null with the reason where it cannot be used.</summary>
    internal static TlsSecret? FindSecret(RequestConfiguration configuration, string kind, string ns, ObjectReference reference, out string? problem)
    {
        var shown = $"{reference.Kind} {reference.Namespace}/{reference.Name}";
        if (reference is not { Group: "" or "core", Kind: "Secret" })
        {
            problem = $"certificate {shown} is of an unknown kind; expected a Secret";
            return null;
        }

        // Before it is looked for: whether it exists is nobody's business who may not refer to it.
        if (!IsGranted(configuration, kind, ns, reference))
        {
            problem = $"certificate {shown} is in another namespace, and no ReferenceGrant there allows it";
            return null;
        }

        var secret = configuration.Secrets.GetValueOrDefault($"{reference.Namespace}/{reference.Name}");
        problem = secret is null ? $"certificate {shown} does not exist" : secret.Problem is { } broken ? $"certificate {shown} cannot be used: {broken}" : null;
        return problem is null ? secret : null;
    }

    private static CertificateBundle? FindBundle(RequestConfiguration configuration, string ns, ObjectReference reference, out string? problem)
    {
        var shown = $"{reference.Kind} {reference.Namespace}/{reference.Name}";
        if (reference is not { Group: "" or "core", Kind: "ConfigMap" })
        {
            problem = $"{shown} is of an unknown kind; expected a ConfigMap";
            return null;
        }

        if (!IsGranted(configuration, "Gateway", ns, reference))
        {
            problem = $"{shown} is in another namespace, and no ReferenceGrant there allows it";
            return null;
        }

        var bundle = configuration.CertificateBundles.GetValueOrDefault($"{reference.Namespace}/{reference.Name}");
        problem = bundle is null ? $"{shown} does not exist" : bundle.Problem is { } broken ? $"{shown} cannot be used: {broken}" : null;
        return problem is null ? bundle : null;
    }

    private static bool IsGranted(RequestConfiguration configuration, string kind, string ns, ObjectReference target) =>
        target.Namespace == ns || ReferenceGrants.Allow(configuration, new GrantSource(GatewayGroup, kind, ns), target);
}
