using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Turns documents into typed objects: which kind is read by whom, metadata, lists, duplicates.</summary>
internal sealed class ManifestReader(KubernetesObjects objects, ConfigurationErrors errors, UnsupportedUses unsupported)
{
    private const string DefaultNamespace = "default";

    private readonly Dictionary<string, ObjectMeta> _addresses = new(StringComparer.Ordinal);
    private readonly FieldCheck _check = new(errors, unsupported);

    /// <summary>How many objects of kinds that the mesh does not use were skipped, by kind.</summary>
    public SortedDictionary<string, int> Skipped { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads one document: an object, or a <c>kind: List</c> of them.</summary>
    public void Read(YamlNode document)
    {
        errors.Subject = "";
        if (document is YamlScalar { IsNull: true })
        {
            return; // an empty document: a comment between two separators
        }

        if (document is not YamlMapping mapping)
        {
            errors.Add(document, "", $"expected a Kubernetes object, found {document.Describe()}");
            return;
        }

        ReadObject(new FieldReader(mapping, errors));
    }

    private void ReadObject(FieldReader fields)
    {
        errors.Subject = "";
        var apiVersion = fields.RequiredString("apiVersion");
        var kind = fields.RequiredString("kind");
        if (apiVersion.Length == 0 || kind.Length == 0)
        {
            return;
        }

        if (kind.EndsWith("List", StringComparison.Ordinal) && fields.List("items") is not null)
        {
            foreach (var item in fields.Objects("items"))
            {
                ReadObject(item);
            }

            return;
        }

        if (!KindCheck.TryResolve(fields, apiVersion, kind, out var group, out var schema))
        {
            return;
        }

        var reader = ReaderOf(group, kind);
        if (reader is null && schema is not { Use: FieldUse.NotSupported })
        {
            Skip(fields, group, kind);
            return;
        }

        errors.Subject = kind;
        if (ReadMeta(fields, kind, reader?.Namespaced ?? schema!.IsNamespaced) is not { } meta)
        {
            return;
        }

        // First what is written, then what it means: a field that is not known must not read as one that is not there.
        errors.Subject = meta.ToString();
        var before = errors.Count;
        if (schema is not null)
        {
            _check.Check((YamlMapping)fields.Node, schema, KnownKinds.Groups[group].IsStrict, meta);
        }

        if (reader?.Read(meta, fields) is not { } read || errors.Count > before)
        {
            return;
        }

        if (objects.Add(read) is { } existing)
        {
            fields.Error("metadata", $"defined twice; the other one is at {existing.Meta.Place}");
        }

        CheckAddress(read as PodObject ?? (read as DeploymentObject)?.Template, fields);
    }

    /// <summary>Counts an object of a kind that the mesh does not use.</summary>
    private void Skip(FieldReader fields, string group, string kind)
    {
        if (!KnownKinds.Groups.TryGetValue(group, out var known) || known.Kinds.GetValueOrDefault(kind, FieldUse.Harmless) == FieldUse.Harmless)
        {
            Skipped[kind] = Skipped.GetValueOrDefault(kind) + 1;
            return;
        }

        // Somebody expects an effect of it. Its metadata may be anything: it is only named.
        var metadata = (fields.Node as YamlMapping)?.Find("metadata") as YamlMapping;
        unsupported.Add(kind, "", new ObjectMeta
        {
            Kind = kind,
            Name = TextOf("name"),
            Namespace = TextOf("namespace"),
            Place = new ObjectPlace(errors.File, fields.Node.Line, fields.Node.Column),
        });

        string TextOf(string field) => (metadata?.Find(field) as YamlScalar)?.Value ?? "";
    }

    /// <summary>Two pods that are given the same address would take each other's connections, and each other's policies.</summary>
    private void CheckAddress(PodObject? pod, FieldReader fields)
    {
        if (pod is { HasStatus: false } && pod.Meta.Annotation(WellKnown.Address) is { } address
            && !_addresses.TryAdd(address, pod.Meta) && _addresses[address] is var other)
        {
            fields.Error("metadata", $"{WellKnown.Address} {address} is that of {other} too, at {other.Place}");
        }
    }

    private static (bool Namespaced, Func<ObjectMeta, FieldReader, KubernetesObject?> Read)? ReaderOf(string group, string kind) => (group, kind) switch
    {
        ("", "Namespace") => (false, static (meta, _) => ReadNamespace(meta)),
        ("", "Node") => (false, static (meta, _) => new NodeObject(meta)),
        ("", "ServiceAccount") => (true, static (meta, _) => new ServiceAccountObject(meta)),
        ("", "Pod") => (true, PodReader.ReadPod),
        ("apps", "Deployment") => (true, PodReader.ReadDeployment),
        ("", "Service") => (true, ServiceReader.ReadService),
        ("discovery.k8s.io", "EndpointSlice") => (true, ServiceReader.ReadEndpointSlice),
        ("networking.istio.io", "ServiceEntry") => (true, ServiceEntryReader.ReadServiceEntry),
        ("networking.istio.io", "WorkloadEntry") => (true, ServiceEntryReader.ReadWorkloadEntry),
        ("gateway.networking.k8s.io", "GatewayClass") => (false, GatewayReader.ReadGatewayClass),
        ("gateway.networking.k8s.io", "Gateway") => (true, GatewayReader.ReadGateway),
        ("gateway.networking.k8s.io", "HTTPRoute") => (true, HttpRouteReader.ReadHttpRoute),
        ("gateway.networking.k8s.io", "ReferenceGrant") => (true, GatewayReader.ReadReferenceGrant),
        ("gateway.networking.k8s.io", "BackendTLSPolicy") => (true, BackendProtectionReader.ReadBackendTlsPolicy),
        ("networking.istio.io", "DestinationRule") => (true, BackendProtectionReader.ReadDestinationRule),
        ("security.istio.io", "AuthorizationPolicy") => (true, AuthorizationPolicyReader.ReadAuthorizationPolicy),
        ("security.istio.io", "PeerAuthentication") => (true, PeerAuthenticationReader.ReadPeerAuthentication),
        _ => null,
    };

    private static NamespaceObject ReadNamespace(ObjectMeta meta)
    {
        // Kubernetes labels every namespace with its name, and selectors rely on it.
        meta.Labels.TryAdd("kubernetes.io/metadata.name", meta.Name);
        return new NamespaceObject(meta);
    }

    private ObjectMeta? ReadMeta(FieldReader fields, string kind, bool namespaced)
    {
        var metadata = fields.Object("metadata");
        if (metadata is null)
        {
            fields.Error("metadata", "missing; expected an object with a name");
            return null;
        }

        var name = metadata.RequiredString("name");
        if (name.Length > 0 && !IsName(name))
        {
            metadata.Error("name", $"\"{name}\" is not a Kubernetes name; expected lower-case letters, digits, '-' and '.'");
            name = "";
        }

        var ns = "";
        if (namespaced)
        {
            ns = metadata.String("namespace") ?? DefaultNamespace;
            if (!IsName(ns) || ns.Contains('.', StringComparison.Ordinal))
            {
                metadata.Error("namespace", $"\"{ns}\" is not the name of a namespace");
                name = "";
            }
        }

        if (name.Length == 0)
        {
            return null;
        }

        return new ObjectMeta
        {
            Kind = kind,
            Name = name,
            Namespace = ns,
            Labels = metadata.StringMap("labels"),
            Annotations = metadata.StringMap("annotations"),
            CreationTime = ReadTime(metadata),
            Place = new ObjectPlace(errors.File, fields.Node.Line, fields.Node.Column),
        };
    }

    private static DateTimeOffset ReadTime(FieldReader metadata)
    {
        if (metadata.String("creationTimestamp") is not { } text)
        {
            return default;
        }

        if (DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time))
        {
            return time;
        }

        metadata.Error("creationTimestamp", $"\"{text}\" is not a time; expected a form like 2026-01-01T00:00:00Z");
        return default;
    }

    /// <summary>Whether <paramref name="text"/> is a DNS subdomain, which names of Kubernetes objects are.</summary>
    internal static bool IsName(string text)
    {
        if (text.Length is 0 or > 253 || !char.IsAsciiLetterOrDigit(text[0]) || !char.IsAsciiLetterOrDigit(text[^1]))
        {
            return false;
        }

        foreach (var c in text)
        {
            if (!(char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.'))
            {
                return false;
            }
        }

        return true;
    }
}
