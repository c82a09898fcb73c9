using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads Istio's MeshConfig out of the ConfigMap that has it: <c>istio</c>, key <c>mesh</c>, a YAML document in a string. Errors name the
/// line of the file, not of the string.
/// </summary>
internal static class MeshConfigReader
{
    /// <summary>The group under which the table of fields has MeshConfig. Kubernetes does not know it.</summary>
    public const string Group = "mesh.istio.io";

    private const string Name = "istio";
    private const string Key = "mesh";
    private const string Field = "data.mesh";

    /// <summary>Whether a ConfigMap has a MeshConfig.</summary>
    public static bool HasMeshConfig(YamlNode document) =>
        document is YamlMapping map && map.Find("metadata") is YamlMapping metadata && metadata.Find("name") is YamlScalar { Value: Name }
        && map.Find("data") is YamlMapping data && data.Find(Key) is YamlScalar;

    /// <summary>Reads it.</summary>
    public static MeshConfigObject Read(ObjectMeta meta, FieldReader fields, UnsupportedUses unsupported)
    {
        var data = fields.ObjectOrEmpty("data");
        if (data.String("meshNetworks") is { } networks && networks.Trim() is not ("" or "networks: {}"))
        {
            unsupported.Add("MeshConfig", "meshNetworks", meta);
        }

        var text = (YamlScalar)data.Find(Key)!;
        var errors = new ConfigurationErrors { File = fields.Errors.File, Subject = fields.Errors.Subject };
        var config = Document(text.Value, errors, unsupported, meta) is { } document ? Read(meta, new FieldReader(document, errors)) : new MeshConfigObject(meta);

        // In a block the text begins on the line after its own; elsewhere nothing tells where its lines are.
        var isBlock = text.Value.Contains('\n', StringComparison.Ordinal) && !fields.Errors.File.EndsWith(".json", StringComparison.Ordinal);
        foreach (var error in errors.Items)
        {
            fields.Errors.Add(InFile(error));
        }

        return config with { AtTrustDomain = config.AtTrustDomain is { } at ? InFile(at) : null };

        ConfigurationError InFile(ConfigurationError error) => error with
        {
            Line = isBlock ? text.Line + error.Line : text.Line,
            Column = isBlock ? error.Column : text.Column,
            Field = error.Field.Length == 0 ? Field : $"{Field}: {error.Field}",
        };
    }

    private static YamlMapping? Document(string text, ConfigurationErrors errors, UnsupportedUses unsupported, ObjectMeta meta)
    {
        try
        {
            var yaml = new YamlReader(new StringReader(text), YamlLimits.Manifests);
            switch (yaml.NextDocument() ? yaml.ReadNode() : null)
            {
                case YamlMapping mapping:
                    new FieldCheck(errors, unsupported).Check(mapping, KnownKinds.Find(Group, "MeshConfig")!, strict: true, meta with { Kind = "MeshConfig" });
                    return mapping;
                case null or YamlScalar { IsNull: true }:
                    return null;
                case var other:
                    errors.Add(other, "", $"expected a MeshConfig, found {other.Describe()}");
                    return null;
            }
        }
        catch (YamlReadException e)
        {
            errors.Add(new ConfigurationError(errors.File, e.Line, e.Column, errors.Subject, "", e.Message));
            return null;
        }
    }

    /// <summary>The fields that are acted on. <paramref name="config"/> may have others: which of them are known is for the table to say.</summary>
    internal static MeshConfigObject Read(ObjectMeta meta, FieldReader config)
    {
        var domain = config.String("trustDomain") is { Length: > 0 } text ? text : null;
        if (domain is not null && !TrustDomain.TryParse(domain, out _))
        {
            config.Error("trustDomain", $"\"{domain}\" is not a trust domain");
        }

        var aliases = config.Strings("trustDomainAliases");
        for (var i = 0; i < aliases.Count; i++)
        {
            if (!TrustDomain.TryParse(aliases[i], out _))
            {
                config.Error("trustDomainAliases", i, $"\"{aliases[i]}\" is not a trust domain");
            }
        }

        var root = config.String("rootNamespace") is { Length: > 0 } ns ? ns : null;
        if (root is not null && !ManifestReader.IsName(root))
        {
            config.Error("rootNamespace", $"\"{root}\" is not the name of a namespace");
        }

        var place = config.Has("trustDomain") ? ((YamlMapping)config.Node).Find("trustDomain")! : config.Node;
        return new MeshConfigObject(meta)
        {
            TrustDomain = domain,
            AtTrustDomain = domain is null ? null : new ConfigurationError(config.Errors.File, place.Line, place.Column, config.Errors.Subject, "trustDomain", ""),
            TrustDomainAliases = config.Has("trustDomainAliases") ? aliases : null,
            RootNamespace = root,
            PathNormalization = config.ObjectOrEmpty("pathNormalization").String("normalization") switch
            {
                "NONE" => PathNormalization.None,
                "MERGE_SLASHES" => PathNormalization.MergeSlashes,
                "DECODE_AND_MERGE_SLASHES" => PathNormalization.DecodeAndMergeSlashes,
                "BASE" or "DEFAULT" => PathNormalization.Base,
                _ => null,
            },
            LogsAccess = ReadAccessLog(config),
            ExternalAuthorizers = ExternalAuthorizerReader.Read(config),
            Proxy = ProxySettingsReader.Read(config.ObjectOrEmpty("defaultConfig")),
            DefaultTrafficPolicy = config.Object("defaultTrafficPolicy") is { } policy ? DestinationRuleReader.ReadPolicy(policy) : null,
            ConnectionDefaults = DestinationRuleReader.ReadDefaults(config),
            LocalityDefaults = config.Object("localityLbSetting") is { } locality ? DestinationRuleReader.ReadLocality(locality) : null,
            DefaultRetry = config.Object("defaultHttpRetryPolicy") is { } retries ? VirtualServiceReader.ReadRetry(retries) : null,
            DefaultTryTimeout = config.Object("defaultHttpRetryPolicy") is { } tries && Durations.Read(tries, "perTryTimeout") is { } limit && limit > TimeSpan.Zero ? limit : null,
            Exports = new ExportDefaults(config.Strings("defaultServiceExportTo"), config.Strings("defaultVirtualServiceExportTo"), config.Strings("defaultDestinationRuleExportTo")),
            Telemetry = TelemetryProviderReader.Read(config),
        };
    }

    private static bool? ReadAccessLog(FieldReader config)
    {
        switch (config.String("accessLogFile"))
        {
            case null:
                return null;
            case "":
                return false;
            case "/dev/stdout" or "/dev/stderr":
                return true;
            case var file:
                config.Error("accessLogFile", $"\"{file}\" is not supported; the access log goes where the log goes: expected /dev/stdout, or nothing to turn it off");
                return null;
        }
    }
}
