using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Ambient.Node.Hosting.Variables;

/// <summary>A pod's own labels, as the downward API writes them into a file: <c>key="value"</c> on a line each, quoted as Go quotes.</summary>
internal static class PodLabels
{
    private const int MostBytes = 1 << 20;

    /// <summary>Reads the file. Empty when it does not exist or cannot be read; whoever needs a label says that it is missing.</summary>
    public static ImmutableSortedDictionary<string, string> Read(string path)
    {
        var labels = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        try
        {
            if (File.Exists(path) && new FileInfo(path).Length <= MostBytes)
            {
                foreach (var line in File.ReadLines(path))
                {
                    if (line.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals)
                    {
                        labels[line[..equals]] = Unquote(line.AsSpan(equals + 1));
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }

        return labels.ToImmutable();
    }

    /// <summary>The labels as node metadata for the control plane, without the hash of the pod's template, which changes with each rollout.</summary>
    public static JsonElement ToJson(ImmutableSortedDictionary<string, string> labels)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var (key, value) in labels.Remove("pod-template-hash"))
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
        }

        using var document = JsonDocument.Parse(buffer.ToArray());
        return document.RootElement.Clone();
    }

    /// <summary>Values of labels have no characters that would be escaped but quotes and backslashes, which no valid one has either.</summary>
    private static string Unquote(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        if (text is not ['"', .., '"'])
        {
            return text.ToString();
        }

        var value = new StringBuilder(text.Length);
        for (var i = 1; i < text.Length - 1; i++)
        {
            value.Append(text[i] == '\\' && i < text.Length - 2 ? text[++i] : text[i]);
        }

        return value.ToString();
    }
}
