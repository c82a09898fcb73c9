using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads the <c>gatewayTopology</c> of a ProxyConfig: which proxies stand in front of a gateway.</summary>
internal static class GatewayTopologyReader
{
    /// <summary>The annotation with a ProxyConfig, as YAML in a string, for one Gateway's pods.</summary>
    public const string Annotation = "proxy.istio.io/config";

    // As many addresses as anybody would have in one header.
    private const int MaxProxies = 1000;

    /// <summary>The proxies whose X-Forwarded-For is believed; null where it does not say.</summary>
    /// <param name="config">A ProxyConfig.</param>
    public static int? NumTrustedProxies(FieldReader config) => config.ObjectOrEmpty("gatewayTopology").Integer("numTrustedProxies", 0, MaxProxies);

    /// <summary>The same, out of the annotation; what is wrong with it is an error of the annotation.</summary>
    /// <param name="annotations">The annotations that may have it.</param>
    /// <param name="text">Its value; null: it is not there.</param>
    public static int? NumTrustedProxies(FieldReader annotations, string? text)
    {
        if (text is null)
        {
            return null;
        }

        var errors = new ConfigurationErrors();
        int? trusted = null;
        try
        {
            using var reader = new StringReader(text);
            var yaml = new YamlReader(reader, YamlLimits.Manifests);
            switch (yaml.NextDocument() ? yaml.ReadNode() : null)
            {
                case YamlMapping mapping:
                    trusted = NumTrustedProxies(new FieldReader(mapping, errors));
                    break;
                case null or YamlScalar { IsNull: true }:
                    break;
                case var other:
                    errors.Add(other, "", $"expected a ProxyConfig, found {other.Describe()}");
                    break;
            }
        }
        catch (YamlReadException e)
        {
            annotations.Error(Annotation, e.Message);
        }

        foreach (var error in errors.Items)
        {
            annotations.Error(Annotation, error.Field.Length == 0 ? error.Message : $"{error.Field}: {error.Message}");
        }

        return trusted;
    }
}
