using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Ambient.Node.Authorities;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Variables;

/// <summary>Reads how istiod is reached, for the mesh and for certificates (docs/operations.md).</summary>
internal static class ControlPlaneVariables
{
    private static readonly SearchValues<char> s_headerCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-_.");

    /// <summary>The name that SPIFFE itself gave the variable (SPIFFE Workload Endpoint, section 4).</summary>
    public const string WorkloadApi = "SPIFFE_ENDPOINT_SOCKET";

    private const string InCluster = "https://istiod.istio-system.svc:15012";

    /// <summary>Where the mesh comes from beside files, who issues certificates, and who is revoked, into <paramref name="host"/>.</summary>
    /// <param name="variables">Where to read, and to leave what is wrong.</param>
    /// <param name="host">What is read already, and is completed.</param>
    /// <param name="kind">What kind of proxy the control plane is told that we are.</param>
    public static void ReadInto(VariableReader variables, NodeOptions host, XdsNodeKind kind)
    {
        var token = variables.OptionalText("AUTH_TOKEN", $"token, or the file that has it; not set: {ControlPlaneOptions.DefaultToken} where it exists")
            ?? (File.Exists(ControlPlaneOptions.DefaultToken) ? ControlPlaneOptions.DefaultToken : null);
        host.Xds = ReadXds(variables, host, token, kind);
        host.FakeAuthority = variables.Boolean("FAKE_CA", false, "an authority kept in the temporary folder, for tests");
        host.WorkloadApi = ReadWorkloadApi(variables, host);
        host.CertificateAuthority = ReadAuthority(variables, host, token);
        host.RevocationFile = variables.OptionalText("CRL_PATH", "file of revoked certificates, PEM or DER");
        if (host is { Xds: null, HasFileSource: false })
        {
            variables.Fail("no source for the mesh: set AMBIENT_MANIFESTS (a folder of Kubernetes YAML), LOCAL_XDS_PATH (ztunnel's local format), or XDS_ADDRESS (a control plane)");
        }

        if (!host.HasAuthority && !variables.IsSet(WorkloadApi))
        {
            variables.Fail("no certificate authority: set CA_ADDRESS to Istio's, SPIFFE_ENDPOINT_SOCKET to a SPIRE agent's socket, or AMBIENT_CA_DIR to a folder that the hosts of this machine share");
        }
    }

    private static XdsOptions? ReadXds(VariableReader variables, NodeOptions host, string? token, XdsNodeKind kind)
    {
        var address = Address(variables, "XDS_ADDRESS", "control plane that provides the mesh (istiod); empty: none");
        var server = Read(variables, host, "xDS", "XDS", address ?? new Uri(InCluster), token);
        var onDemand = variables.Boolean("XDS_ON_DEMAND", false, "ask for addresses one by one, as connections need them, instead of the whole mesh; for a ztunnel");
        var options = new XdsOptions
        {
            Server = server,
            Kind = kind,
            OnDemand = onDemand,
            HoldsCollections = kind == XdsNodeKind.Ztunnel,
            InstanceIP = variables.Text("INSTANCE_IP", "1.1.1.1", "our address, for the control plane")!,
            PodName = variables.Text("POD_NAME", "", "our own pod")!,
            PodNamespace = variables.Text("POD_NAMESPACE", "", "our own pod's namespace")!,
            ServiceAccount = variables.OptionalText("SERVICE_ACCOUNT", "our own service account; a ztunnel that has it, POD_NAME and POD_NAMESPACE serves HBONE for its own pod") ?? "",
            NodeName = host.NodeName ?? "",
            Metadata = Metadata(variables),
            JsonMetadata = JsonMetadata(variables),
        };
        if (onDemand && kind != XdsNodeKind.Ztunnel)
        {
            variables.Fail("XDS_ON_DEMAND=true: only a ztunnel can ask piece by piece; a waypoint needs the whole mesh");
        }

        if (kind == XdsNodeKind.Ztunnel && host.Manifests is not null && variables.IsSet("XDS_ADDRESS"))
        {
            variables.Fail("AMBIENT_MANIFESTS and XDS_ADDRESS: only one of them may be set");
        }

        // Files are enough, unless a control plane is asked for beside them. A waypoint's folder has the HTTP configuration that istiod does
        // not tell over the workload API, so in a cluster it has both.
        var enough = host.HasFileSource && !variables.IsSet("XDS_ADDRESS") && (kind == XdsNodeKind.Ztunnel || host.Manifests is null || !variables.IsInCluster);
        return address is null || enough ? null : options;
    }

    private static ControlPlaneOptions? ReadAuthority(VariableReader variables, NodeOptions host, string? token)
    {
        var address = Address(
            variables, "CA_ADDRESS", "certificate authority that speaks Istio's protocol (istiod)", variables.OptionalText("CA_ADDR", "the same, as istiod names it in the pods that it makes; CA_ADDRESS goes before it"));
        var options = Read(variables, host, "CA", "CA", address ?? new Uri(InCluster), token);
        if (host.AuthorityFolder is not null && variables.IsSet("CA_ADDRESS"))
        {
            variables.Fail("AMBIENT_CA_DIR and CA_ADDRESS: only one of them may be set");
        }

        return address is null || host.FakeAuthority || host.WorkloadApi is not null || host.AuthorityFolder is not null ? null : options;
    }

    private static WorkloadApiAddress? ReadWorkloadApi(VariableReader variables, NodeOptions host)
    {
        if (variables.OptionalText(WorkloadApi, "SPIFFE Workload API (a SPIRE agent) that gives certificates: unix:///path or tcp://address:port") is not { } text)
        {
            return null;
        }

        foreach (var (other, set) in new[] { ("CA_ADDRESS", variables.IsSet("CA_ADDRESS")), ("AMBIENT_CA_DIR", host.AuthorityFolder is not null), ("FAKE_CA", host.FakeAuthority) })
        {
            if (set)
            {
                variables.Fail($"{WorkloadApi} and {other}: only one of them may be set, for certificates come from one authority");
            }
        }

        if (!WorkloadApiAddress.TryParse(text, out var address, out var fault))
        {
            variables.Fail($"{WorkloadApi}: \"{text}\": {fault}");
            return null;
        }

        if (address.LeavesTheMachine)
        {
            variables.Note($"{WorkloadApi}: private keys come from {address} in the clear: whoever hears the network between has them. A unix socket is safe");
        }

        return address;
    }

    private static ControlPlaneOptions Read(VariableReader variables, NodeOptions host, string name, string prefix, Uri address, string? token) => new()
    {
        Name = name,
        Address = address,
        Roots = variables.Text($"{prefix}_ROOT_CA", ControlPlaneOptions.DefaultRoots, "its roots: a file, SYSTEM for the machine's, or PEM text")!,
        AlternativeName = variables.OptionalText($"ALT_{prefix}_HOSTNAME", "another name that its certificate may have"),
        Token = token,
        ClusterId = host.ClusterId,
        Headers = Headers(variables, $"{prefix}_HEADER_"),
    };

    /// <summary>An address as it is written: https where it does not say, the default inside a cluster, and null for none.</summary>
    private static Uri? Address(VariableReader variables, string name, string meaning, string? byDefault = null)
    {
        var text = variables.Text(name, null, meaning + $"; not set: {InCluster} inside a cluster") ?? byDefault ?? (variables.IsInCluster ? InCluster : "");
        if (text.Length == 0)
        {
            return null;
        }

        var full = text.Contains("://", StringComparison.Ordinal) ? text : $"https://{text}";
        if (Uri.TryCreate(full, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps && uri.Host.Length > 0)
        {
            return uri;
        }

        variables.Fail($"{name}: \"{text}\" is not an address such as istiod.istio-system.svc:15012 (TLS is always used)");
        return null;
    }

    private static ImmutableArray<KeyValuePair<string, string>> Headers(VariableReader variables, string prefix)
    {
        var headers = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>();
        foreach (var (key, value) in variables.Prefixed(prefix, "a further header of calls"))
        {
            var name = key.ToLowerInvariant();
            if (name.AsSpan().ContainsAnyExcept(s_headerCharacters) || name.StartsWith("grpc-", StringComparison.Ordinal) || name.EndsWith("-bin", StringComparison.Ordinal))
            {
                variables.Fail($"{prefix}{key}: {key} is not the name of a text header");
            }
            else if (value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            {
                variables.Fail($"{prefix}{key}: the value has characters beyond printable ASCII");
            }
            else
            {
                headers.Add(new(name, value));
            }
        }

        return headers.DrainToImmutable();
    }

    private static ImmutableSortedDictionary<string, string> Metadata(VariableReader variables)
    {
        // One by one: whatever can be filled from pairs at once brings other sorted collections into the process.
        var metadata = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in variables.Prefixed("ISTIO_META_", "metadata for the control plane"))
        {
            metadata[name] = value;
        }

        return metadata.ToImmutable();
    }

    private static ImmutableSortedDictionary<string, JsonElement> JsonMetadata(VariableReader variables)
    {
        var metadata = ImmutableSortedDictionary.CreateBuilder<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (key, value) in variables.Prefixed("ISTIO_METAJSON_", "metadata for the control plane, as JSON"))
        {
            try
            {
                using var document = JsonDocument.Parse(value);
                metadata[key] = document.RootElement.Clone();
            }
            catch (JsonException e)
            {
                variables.Fail($"ISTIO_METAJSON_{key}: no JSON: {e.Message}");
            }
        }

        return metadata.ToImmutable();
    }
}
