using System.Text;
using Ambient.Node.Discovery.Kinds;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Objects with one field of their kind's table, and what is above it.</summary>
internal static class SchemaSample
{
    /// <summary>Every field of a kind, with the fields above it; the last one is the field itself.</summary>
    public static IEnumerable<(IReadOnlyList<FieldSchema> Path, string Name)> Fields(KindSchema kind) => Below([], kind.Fields.Values);

    /// <summary>An object that has the field at the end of <paramref name="path"/> under the name <paramref name="name"/>.</summary>
    public static string Write(KindSchema kind, IReadOnlyList<FieldSchema> path, string name, string? value = null)
    {
        var text = new StringBuilder();
        if (kind.Group == "mesh.istio.io")
        {
            // Not an object of its own: a text in a ConfigMap.
            var config = Write(kind with { Group = "" }, path, name, value);
            config = "{" + config[(config.IndexOf("}, ", StringComparison.Ordinal) + 3)..];
            return $"{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"istio\"}}, \"data\": {{\"mesh\": \"{config.Replace("\"", "\\\"", StringComparison.Ordinal)}\"}}}}";
        }

        text.Append("{\"apiVersion\": \"").Append(kind.Group).Append('/').Append(kind.Versions[0]).Append("\", \"kind\": \"").Append(kind.Name)
            .Append("\", \"metadata\": {\"name\": \"a\"}, ");
        var closing = "}";
        for (var i = 0; i < path.Count - 1; i++)
        {
            text.Append('"').Append(path[i].Name).Append("\": ");
            for (var at = 0; at < path[i].Containers.Length; at += 2)
            {
                var list = path[i].Containers[at] == '[';
                text.Append(list ? "[" : "{\"80\": ");
                closing = (list ? "]" : "}") + closing;
            }

            text.Append('{');
            closing = "}" + closing;
        }

        return text.Append('"').Append(name).Append("\": ").Append(value ?? "{}").Append(closing).ToString();
    }

    private static IEnumerable<(IReadOnlyList<FieldSchema> Path, string Name)> Below(FieldSchema[] above, IEnumerable<FieldSchema> fields)
    {
        foreach (var field in fields)
        {
            FieldSchema[] path = [.. above, field];
            yield return (path, field.Name);
            foreach (var below in Below(path, field.Fields.Values))
            {
                yield return below;
            }
        }
    }
}
