using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads what a ProxyConfig says of waypoints and gateways: which proxies stand in front, and which headers are set.</summary>
internal static class ProxySettingsReader
{
    /// <summary>The annotation with a ProxyConfig, as YAML in a string, for one Gateway's pods.</summary>
    public const string Annotation = "proxy.istio.io/config";

    // As many addresses as anybody would have in one header.
    private const int MaxProxies = 1000;

    /// <summary>What a ProxyConfig says.</summary>
    /// <param name="config">The ProxyConfig.</param>
    public static ProxySettings Read(FieldReader config)
    {
        var topology = config.ObjectOrEmpty("gatewayTopology");
        return new ProxySettings
        {
            NumTrustedProxies = topology.Integer("numTrustedProxies", 0, MaxProxies),

            // An object without fields: that it is there says it.
            SendsProxyHeader = topology.Object("proxyProtocol") is null ? null : true,
            Headers = ReadHeaders(config.ObjectOrEmpty("proxyHeaders")),
        };
    }

    private static ProxyHeaders ReadHeaders(FieldReader headers)
    {
        var server = headers.ObjectOrEmpty("server");
        var name = server.String("value");
        if (name is not null && (name.Length == 0 || !name.All(HttpSyntax.IsFieldValue)))
        {
            server.Error("value", "is not the value of a header");
            name = null;
        }

        return new ProxyHeaders
        {
            RequestId = !Said("requestId", "disabled"),
            Server = !Said("server", "disabled"),
            ServerName = name,
            AttemptCount = !Said("attemptCount", "disabled"),
            Debug = !Said("envoyDebugHeaders", "disabled"),
            ForwardedHost = Said("xForwardedHost", "enabled"),
            ForwardedPort = Said("xForwardedPort", "enabled"),
        };

        bool? Said(string header, string field) => headers.ObjectOrEmpty(header).Boolean(field);
    }

    /// <summary>The same, out of the annotation; what is wrong with it is an error of the annotation.</summary>
    /// <param name="annotations">The annotations that may have it.</param>
    /// <param name="text">Its value; null: it is not there.</param>
    public static ProxySettings Read(FieldReader annotations, string? text)
    {
        if (text is null)
        {
            return ProxySettings.None;
        }

        var errors = new ConfigurationErrors();
        var topology = ProxySettings.None;
        try
        {
            using var reader = new StringReader(text);
            var yaml = new YamlReader(reader, YamlLimits.Manifests);
            switch (yaml.NextDocument() ? yaml.ReadNode() : null)
            {
                case YamlMapping mapping:
                    topology = Read(new FieldReader(mapping, errors));
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

        return topology;
    }
}
