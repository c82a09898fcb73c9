using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Discovery.LocalConfig;

/// <summary>
/// Reads ztunnel's local format (docs/protocol.md, "Local configuration"): <c>workloads</c>, <c>services</c>, <c>policies</c>, each
/// optional. One entry at a time is in memory as YAML; a file of 100,000 workloads costs what the mesh costs.
/// </summary>
/// <param name="errors">Where errors go.</param>
/// <param name="trustDomain">Trust domain of workloads that name none.</param>
internal sealed class LocalConfigReader(ConfigurationErrors errors, string trustDomain = "")
{
    private readonly List<Workload> _workloads = [];
    private readonly List<MeshService> _services = [];
    private readonly List<AuthorizationPolicy> _policies = [];
    private readonly LocalWorkloadReader _workloadReader = new(trustDomain);

    /// <summary>
    /// Reads the whole text, which <paramref name="open"/> gives from its beginning; a second time when it needs more of YAML than
    /// <see cref="PlainYamlReader"/> knows. The result is only to be used when no error was noted.
    /// </summary>
    public MeshTranslation Read(Func<TextReader> open, CancellationToken cancellationToken = default)
    {
        try
        {
            using var text = open();
            ReadDocument(new PlainYamlReader(text, YamlLimits.LocalConfig), cancellationToken);
            if (errors.Count == 0)
            {
                return Result();
            }
        }
        catch (PlainYamlException)
        {
        }

        // Also a text with errors: one reader is the judge of what is wrong with it.
        errors.Clear();
        _workloads.Clear();
        _services.Clear();
        _policies.Clear();
        try
        {
            using var text = open();
            ReadDocument(new YamlReader(text, YamlLimits.LocalConfig), cancellationToken);
        }
        catch (YamlReadException e)
        {
            errors.Add(new ConfigurationError(errors.File, e.Line, e.Column, "", "", e.Message));
        }

        return Result();
    }

    private MeshTranslation Result()
    {
        ReportTwins(_workloads, workload => workload.Uid, "workload");
        ReportTwins(_services, service => service.Key, "service");
        ReportTwins(_policies, policy => policy.Key, "policy");
        return new MeshTranslation(_workloads, _services, _policies, RequestConfiguration.Empty);
    }

    private void ReadDocument(IYamlReader yaml, CancellationToken cancellationToken)
    {
        if (yaml.NextDocument())
        {
            ReadSections(yaml, cancellationToken);
            if (yaml.NextDocument())
            {
                errors.Add(new ConfigurationError(errors.File, yaml.Line, yaml.Column, "", "", "a second document; expected one"));
            }
        }
    }

    private void ReadSections(IYamlReader yaml, CancellationToken cancellationToken)
    {
        if (!yaml.EnterMapping())
        {
            var node = yaml.ReadNode();
            if (node is not YamlScalar { IsNull: true })
            {
                errors.Add(node, "", $"expected an object with workloads, services and policies, found {node.Describe()}");
            }

            return;
        }

        while (yaml.NextKey() is { } key)
        {
            switch (key.Value)
            {
                case "workloads":
                    ReadList(yaml, key, entry => _workloads.Add(_workloadReader.Read(entry)), cancellationToken);
                    break;
                case "services":
                    ReadList(yaml, key, entry => _services.Add(LocalServiceReader.Read(entry)), cancellationToken);
                    break;
                case "policies":
                    ReadList(yaml, key, entry => _policies.Add(LocalPolicyReader.Read(entry)), cancellationToken);
                    break;
                default:
                    errors.Add(key, key.Value, "unknown field; expected workloads, services or policies");
                    yaml.ReadNode();
                    break;
            }
        }
    }

    private void ReadList(IYamlReader yaml, YamlScalar section, Action<FieldReader> read, CancellationToken cancellationToken)
    {
        if (!yaml.EnterSequence())
        {
            var node = yaml.ReadNode();
            if (node is not YamlScalar { IsNull: true })
            {
                errors.Add(node, section.Value, $"expected a list, found {node.Describe()}");
            }

            return;
        }

        for (var i = 0; yaml.NextItem(); i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var node = yaml.ReadNode();
            errors.Subject = "";
            if (node is YamlMapping entry)
            {
                read(new FieldReader(entry, errors, section.Value, i));
            }
            else
            {
                errors.Add(node, $"{section.Value}[{i}]", $"expected an object, found {node.Describe()}");
            }
        }
    }

    private void ReportTwins<T>(List<T> items, Func<T, string> key, string what)
    {
        var seen = new HashSet<string>(items.Count, StringComparer.Ordinal);
        foreach (var item in items)
        {
            if (!seen.Add(key(item)))
            {
                errors.Add(new ConfigurationError(errors.File, 0, 0, $"{what} {key(item)}", "", "defined twice"));
            }
        }
    }
}
