using System.Globalization;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Variables;

/// <summary>
/// What a mesh says of all its nodes: its MeshConfig, where a pod has it mounted, with the <c>defaultConfig</c> of its proxies, and over that
/// <c>PROXY_CONFIG</c>. Becomes values of variables that are not set, so that one place knows what each of them means.
/// </summary>
internal static class ProxyConfig
{
    /// <summary>Where a pod finds the mesh configuration.</summary>
    public const string MeshConfiguration = "./etc/istio/config/mesh";

    private const string Metadata = "ISTIO_META_";

    /// <summary>Reads both; what is wrong is left in <paramref name="variables"/>.</summary>
    /// <returns>The MeshConfig as far as nodes act on it; null where there is none.</returns>
    public static MeshConfigObject? Read(VariableReader variables, string meshConfiguration)
    {
        MeshConfigObject? mesh = null;
        ArgumentNullException.ThrowIfNull(variables);
        var text = variables.OptionalText("PROXY_CONFIG", $"ProxyConfig as YAML or JSON, over the defaultConfig of {MeshConfiguration}; variables go before both");
        var errors = new ConfigurationErrors();
        if (File.Exists(meshConfiguration))
        {
            mesh = ReadMesh(variables, meshConfiguration, errors);
        }

        if (text is not null)
        {
            Read(variables, Document("PROXY_CONFIG", text, errors));
        }

        foreach (var error in errors.Items)
        {
            variables.Fail(error.ToString());
        }

        return mesh;
    }

    private static MeshConfigObject? ReadMesh(VariableReader variables, string path, ConfigurationErrors errors)
    {
        string text;
        try
        {
            if (new FileInfo(path).Length > YamlLimits.Manifests.MaxBytes)
            {
                errors.Add(new ConfigurationError(path, 0, 0, "", "", $"larger than {YamlLimits.Manifests.MaxBytes} bytes"));
                return null;
            }

            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add(new ConfigurationError(path, 0, 0, "", "", $"cannot be read: {e.Message}"));
            return null;
        }

        if (Document(path, text, errors) is not { } config)
        {
            return null;
        }

        // A control plane that is newer than this node may know more fields: what is not known here is passed over.
        Read(variables, config.Object("defaultConfig"));
        var mesh = MeshConfigReader.Read(new ObjectMeta { Kind = "MeshConfig", Name = "mesh" }, config);
        if (mesh.TrustDomain is { } domain)
        {
            variables.Default("TRUST_DOMAIN", domain);
        }

        if (mesh.RootNamespace is { } root)
        {
            variables.Default("AMBIENT_ROOT_NAMESPACE", root);
        }

        return mesh;
    }

    /// <summary>The fields that nodes act on; there are many more, for other proxies.</summary>
    private static void Read(VariableReader variables, FieldReader? config)
    {
        if (config is null)
        {
            return;
        }

        if (config.String("discoveryAddress") is { } address)
        {
            variables.Default("XDS_ADDRESS", address);
        }

        Number("proxyAdminPort", ZtunnelOptions.AdminPortSetting, 1, ushort.MaxValue);
        Number("statsPort", ZtunnelOptions.StatsPortSetting, 1, ushort.MaxValue);
        Number("concurrency", "ZTUNNEL_WORKER_THREADS", 0, WorkerThreads.Most);
        foreach (var (key, value) in config.StringMap("proxyMetadata"))
        {
            variables.Default(key.StartsWith(Metadata, StringComparison.Ordinal) ? key : Metadata + key, value);
        }

        void Number(string field, string variable, int min, int max)
        {
            if (config.Integer(field, min, max) is { } value)
            {
                variables.Default(variable, value.ToString(CultureInfo.InvariantCulture));
            }
        }
    }

    private static FieldReader? Document(string file, string text, ConfigurationErrors errors)
    {
        errors.File = file;
        try
        {
            using var reader = new StringReader(text);
            var yaml = new YamlReader(reader, YamlLimits.Manifests);
            switch (yaml.NextDocument() ? yaml.ReadNode() : null)
            {
                case YamlMapping mapping:
                    return new FieldReader(mapping, errors);
                case null or YamlScalar { IsNull: true }:
                    return null;
                case var other:
                    errors.Add(other, "", $"expected an object, found {other.Describe()}");
                    return null;
            }
        }
        catch (YamlReadException e)
        {
            errors.Add(new ConfigurationError(file, e.Line, e.Column, "", "", e.Message));
            return null;
        }
    }
}
