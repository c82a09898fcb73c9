using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Turns the documents of one file into typed objects: which kind is read by whom, metadata, lists.</summary>
internal sealed class ManifestReader
{
    private const string DefaultNamespace = "default";

    private readonly ConfigurationErrors _errors;
    private readonly UnsupportedUses _unsupported = new();
    private readonly FieldCheck _check;
    private readonly List<ManifestObject> _objects = [];
    private readonly SortedDictionary<string, int> _skipped = new(StringComparer.Ordinal);
    private readonly List<YamlNode> _strays = [];
    private bool _hasObjects;
    private bool _holdsNoManifest;
    private int _documents;

    /// <summary>Begins a file.</summary>
    /// <param name="file">Its name, as messages have it.</param>
    /// <param name="errors">Where everything that is wrong with it goes.</param>
    public ManifestReader(string file, ConfigurationErrors errors)
    {
        _errors = errors;
        errors.File = file;
        errors.Subject = "";
        _check = new FieldCheck(errors, _unsupported);
    }

    /// <summary>What the file has, as far as it was read.</summary>
    public ManifestFile File => new(_errors.File, _objects, _errors, _skipped, _unsupported.All, _holdsNoManifest, _documents);

    /// <summary>
    /// Ends a file that was read to its end. Documents that are not Kubernetes objects make it a file of another tool when it
    /// holds nothing else; next to objects they are mistakes, for example a separator in the middle of an object.
    /// </summary>
    public void EndFile()
    {
        if (_strays.Count == 0)
        {
            return;
        }

        _errors.Subject = "";
        if (!_hasObjects)
        {
            _holdsNoManifest = true;
            return;
        }

        foreach (var stray in _strays)
        {
            _errors.Add(stray, "", stray is YamlMapping
                ? "neither apiVersion nor kind; expected a Kubernetes object, as elsewhere in this file"
                : $"expected a Kubernetes object, found {stray.Describe()}");
        }
    }

    /// <summary>Reads one document: an object, or a <c>kind: List</c> of them.</summary>
    public void Read(YamlNode document)
    {
        _documents++;
        _errors.Subject = "";
        if (document is YamlScalar { IsNull: true })
        {
            return; // an empty document: a comment between two separators
        }

        if (document is not YamlMapping mapping || IsStray(mapping))
        {
            YamlProblems.Report(document, _errors);
            if (document is YamlSequence list && list.Items.Find(static item => item is YamlMapping { } entry && entry.Find("apiVersion") is not null && entry.Find("kind") is not null) is { } first)
            {
                _errors.Add(first, "", "a list of Kubernetes objects is not read as such; write them as documents of their own, or under the items of a \"kind: List\"");
            }

            _strays.Add(document is YamlMapping ? new YamlMapping([], document.Line, document.Column) : document);
            return;
        }

        _hasObjects = true;
        ReadObject(new FieldReader(mapping, _errors), listVersion: null, listKind: null);
    }

    /// <summary>
    /// Whether a document is not a Kubernetes object. Helm's Chart.yaml has an apiVersion of its own, and of a kustomization's two fields either
    /// may be left out, or both.
    /// </summary>
    private bool IsStray(YamlMapping document)
    {
        var (hasVersion, hasKind) = (document.Find("apiVersion") is not null, document.Find("kind") is not null);
        return Path.GetFileName(_errors.File) switch
        {
            "Chart.yaml" => !hasKind,
            "kustomization.yaml" or "kustomization.yml" => !(hasVersion && hasKind) || document.Find("kind") is YamlScalar { Value: "Kustomization" or "Component" },
            _ => !hasKind && !hasVersion,
        };
    }

    private void ReadObject(FieldReader fields, string? listVersion, string? listKind)
    {
        _errors.Subject = "";
        var apiVersion = listVersion is not null && !fields.Has("apiVersion") ? listVersion : fields.RequiredString("apiVersion");
        var kind = listKind is not null && !fields.Has("kind") ? listKind : fields.RequiredString("kind");
        if (apiVersion.Length == 0 || kind.Length == 0)
        {
            return;
        }

        var isKnownList = (kind == "List" && apiVersion == "v1") || KindCheck.IsListKind(apiVersion, kind);
        if (isKnownList || (kind.EndsWith("List", StringComparison.Ordinal) && (kind == "List" || fields.List("items") is not null)))
        {
            if (isKnownList)
            {
                // A list whose items are misspelt would be an empty one.
                fields.RejectUnknown("apiVersion", "items", "kind", "metadata");
            }

            // An API server leaves version and kind out of the items of a typed list, such as a PodList.
            var (itemVersion, itemKind) = kind == "List" ? (null, null) : (apiVersion, kind[..^"List".Length]);
            foreach (var item in fields.Objects("items"))
            {
                ReadObject(item, itemVersion, itemKind);
            }

            return;
        }

        if (apiVersion.StartsWith(MeshConfigReader.Group, StringComparison.Ordinal))
        {
            fields.Error("kind", "is not an object of its own; a MeshConfig stands under the key \"mesh\" of the ConfigMap \"istio\" in the root namespace");
            return;
        }

        if (!KindCheck.TryResolve(fields, apiVersion, kind, out var group, out var schema))
        {
            return;
        }

        var reader = ReaderByContent(group, kind, fields.Node) ?? ReaderOf(group, kind);
        if (reader is null && schema is not { Use: FieldUse.NotSupported })
        {
            Skip(fields, group, kind);
            return;
        }

        _errors.Subject = kind;
        var before = _errors.Count;
        YamlProblems.Report(fields.Node, _errors);
        if (ReadMeta(fields, kind, reader?.Namespaced ?? schema!.IsNamespaced) is not { } meta)
        {
            return;
        }

        // First what is written, then what it means: a field that is not known must not read as one that is not there.
        _errors.Subject = meta.ToString();
        if (schema is not null)
        {
            _check.Check((YamlMapping)fields.Node, schema, KnownKinds.Groups[group].IsStrict, meta);
        }

        if (reader?.Read(meta, fields) is not { } read || _errors.Count > before)
        {
            return;
        }

        Add(read, fields);
    }

    private void Add(KubernetesObject read, FieldReader fields)
    {
        var metadata = fields.Find("metadata") ?? fields.Node;
        _objects.Add(new ManifestObject(
            read,
            DocumentDigest.Of((YamlMapping)fields.Node),
            read.Meta.Place,
            new ConfigurationError(
                _errors.File, metadata.Line, metadata.Column, _errors.Subject, fields.Path.Length == 0 ? "metadata" : $"{fields.Path}.metadata", "")));
    }

    /// <summary>Counts an object of a kind that the mesh does not use, or of which it uses only others.</summary>
    private void Skip(FieldReader fields, string group, string kind)
    {
        if (!KnownKinds.Groups.TryGetValue(group, out var known) || known.Kinds.GetValueOrDefault(kind, FieldUse.Harmless) != FieldUse.NotSupported)
        {
            _skipped[kind] = _skipped.GetValueOrDefault(kind) + 1;
            return;
        }

        // Somebody expects an effect of it. Its metadata may be anything: it is only named.
        var metadata = (fields.Node as YamlMapping)?.Find("metadata") as YamlMapping;
        _unsupported.Add(kind, "", new ObjectMeta
        {
            Kind = kind,
            Name = TextOf("name"),
            Namespace = TextOf("namespace"),
            Place = new ObjectPlace(_errors.File, fields.Node.Line, fields.Node.Column),
        });

        string TextOf(string field) => (metadata?.Find(field) as YamlScalar)?.Value ?? "";
    }

    /// <summary>The reader of a kind of which only some objects concern the mesh, or whose fields are named one by one where nothing acts on them.</summary>
    private (bool Namespaced, Func<ObjectMeta, FieldReader, KubernetesObject?> Read)? ReaderByContent(string group, string kind, YamlNode document) => (group, kind) switch
    {
        ("", "ConfigMap") when MeshConfigReader.HasMeshConfig(document) => (true, (meta, config) => MeshConfigReader.Read(meta, config, _unsupported)),
        ("", "ConfigMap") when CertificateReader.HasAuthorities(document) => (true, CertificateReader.ReadAuthorities),
        ("telemetry.istio.io", "Telemetry") => (true, (meta, telemetry) => TelemetryReader.ReadTelemetry(meta, telemetry, _unsupported)),
        ("", "Secret") when CertificateReader.IsTls(document) => (true, CertificateReader.ReadSecret),
        _ => null,
    };

    private static (bool Namespaced, Func<ObjectMeta, FieldReader, KubernetesObject?> Read)? ReaderOf(string group, string kind) => (group, kind) switch
    {
        ("", "Namespace") => (false, static (meta, _) => ReadNamespace(meta)),
        ("", "Node") => (false, static (meta, _) => new NodeObject(meta)),
        ("", "ServiceAccount") => (true, static (meta, _) => new ServiceAccountObject(meta)),
        ("", "Pod") => (true, PodReader.ReadPod),
        ("apps", "Deployment" or "StatefulSet" or "DaemonSet" or "ReplicaSet") => (true, PodControllerReader.Read),
        ("", "ReplicationController") => (true, PodControllerReader.Read),
        ("batch", "Job" or "CronJob") => (true, PodControllerReader.Read),
        ("", "Service") => (true, ServiceReader.ReadService),
        ("", "Endpoints") => (true, ServiceReader.ReadEndpoints),
        ("discovery.k8s.io", "EndpointSlice") => (true, ServiceReader.ReadEndpointSlice),
        ("networking.istio.io", "ServiceEntry") => (true, ServiceEntryReader.ReadServiceEntry),
        ("networking.istio.io", "WorkloadEntry") => (true, ServiceEntryReader.ReadWorkloadEntry),
        ("gateway.networking.k8s.io", "GatewayClass") => (false, GatewayReader.ReadGatewayClass),
        ("gateway.networking.k8s.io", "Gateway") => (true, GatewayReader.ReadGateway),
        ("gateway.networking.k8s.io", "HTTPRoute") => (true, HttpRouteReader.ReadHttpRoute),
        ("networking.istio.io", "Gateway") => (true, IstioGatewayReader.Read),
        ("networking.istio.io", "VirtualService") => (true, VirtualServiceReader.ReadVirtualService),
        ("gateway.networking.k8s.io", "GRPCRoute") => (true, GrpcRouteReader.ReadGrpcRoute),
        ("gateway.networking.k8s.io", "ListenerSet") => (true, GatewayReader.ReadListenerSet),
        ("gateway.networking.k8s.io", "TLSRoute" or "TCPRoute") => (true, StreamRouteReader.Read),
        ("gateway.networking.k8s.io", "ReferenceGrant") => (true, GatewayReader.ReadReferenceGrant),
        ("gateway.networking.k8s.io", "BackendTLSPolicy") => (true, BackendProtectionReader.ReadBackendTlsPolicy),
        ("networking.istio.io", "DestinationRule") => (true, DestinationRuleReader.ReadDestinationRule),
        ("security.istio.io", "AuthorizationPolicy") => (true, AuthorizationPolicyReader.ReadAuthorizationPolicy),
        ("security.istio.io", "RequestAuthentication") => (true, RequestAuthenticationReader.ReadRequestAuthentication),
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
            ns = metadata.String("namespace") is { Length: > 0 } written ? written : DefaultNamespace;
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
            Place = new ObjectPlace(_errors.File, fields.Node.Line, fields.Node.Column),
        };
    }

    private static DateTimeOffset ReadTime(FieldReader metadata)
    {
        if (metadata.String("creationTimestamp") is not { Length: > 0 } text)
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
