namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// One instance of each text that many resources share (namespaces, nodes, service names): of a hundred thousand workloads, most texts are
/// the same few. Bounded: texts beyond that are simply not shared. Not thread-safe.
/// </summary>
internal sealed class StringPool
{
    private const int Most = 65536;
    private readonly HashSet<string> _strings = new(StringComparer.Ordinal);

    /// <summary>An equal string, the shared one where there is one.</summary>
    public string Get(string text)
    {
        if (text.Length == 0)
        {
            return "";
        }

        if (_strings.TryGetValue(text, out var shared))
        {
            return shared;
        }

        if (_strings.Count < Most)
        {
            _strings.Add(text);
        }

        return text;
    }
}
