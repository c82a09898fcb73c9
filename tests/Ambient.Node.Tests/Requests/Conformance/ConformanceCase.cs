using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;

namespace Ambient.Node.Tests.Requests.Conformance;

/// <summary>
/// A case of <c>ConformanceCases.txt</c>. A manifest is YAML behind <c>---</c>, or short for a route: its kind, its name, with a namespace if it is not
/// <c>app</c>, its parents (<c>gateway</c>, <c>gateway/listener</c>, <c>gateway:port</c>, <c>service:name</c>, <c>service:name:port</c>, with a namespace
/// before the name), and the rest of its <c>spec</c>.
/// </summary>
internal sealed partial record ConformanceCase(string Name, string Manifests, string[] Rows)
{
    public static IReadOnlyList<ConformanceCase> All { get; } = Read();

    private static List<ConformanceCase> Read()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("ConformanceCases.txt")!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split("\n== ")[1..].Select(Parse)];
    }

    private static ConformanceCase Parse(string text)
    {
        var lines = text.Split('\n');
        var rows = Array.IndexOf(lines, "--");
        var manifests = new StringBuilder();
        var open = false;
        foreach (var line in lines[1..rows])
        {
            if (Route().Match(line) is { Success: true } route)
            {
                End();
                var (kind, name) = (route.Groups["kind"].Value, route.Groups["name"].Value);
                var parents = route.Groups["parents"].Value.Split(',').Select(Parent);
                manifests.Append($"---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: {kind}, metadata: {{name: {name[(name.IndexOf('/') + 1)..]}, namespace: {NamespaceOf(name)}}}, ");
                manifests.Append($"spec: {{parentRefs: [{string.Join(", ", parents)}], {route.Groups["spec"].Value}\n");
                open = true;
                continue;
            }

            if (line == "---")
            {
                End();
            }

            manifests.Append(line).Append('\n');
        }

        End();
        return new ConformanceCase(lines[0], manifests.ToString(), [.. lines[(rows + 1)..].Where(line => line.Length > 0)]);

        // The brace that the short form has opened besides.
        void End()
        {
            if (open)
            {
                manifests.Append("}\n");
            }

            open = false;
        }
    }

    private static string NamespaceOf(string name) => name.Contains('/', StringComparison.Ordinal) ? name[..name.IndexOf('/')] : "app";

    private static string Parent(string text)
    {
        var isService = text.StartsWith("service:", StringComparison.Ordinal);
        var rest = isService ? text["service:".Length..] : text;
        var port = rest.LastIndexOf(':');
        var tail = port < 0 ? "" : $", port: {rest[(port + 1)..]}";
        rest = port < 0 ? rest : rest[..port];
        var slash = rest.IndexOf('/');
        if (isService)
        {
            return $"{{group: \"\", kind: Service, name: {rest[(slash + 1)..]}, namespace: app{tail}}}";
        }

        // "app/gateway" is a namespace, "gateway/listener" a section.
        return slash < 0 ? $"{{name: {rest}{tail}}}"
            : rest.StartsWith("app/", StringComparison.Ordinal) ? $"{{name: {rest[4..]}, namespace: app{tail}}}"
            : $"{{name: {rest[..slash]}, sectionName: {rest[(slash + 1)..]}{tail}}}";
    }

    [GeneratedRegex(@"^(?<kind>HTTPRoute|GRPCRoute) (?<name>\S+) (?<parents>\S+) \{(?<spec>.*)$")]
    private static partial Regex Route();
}
