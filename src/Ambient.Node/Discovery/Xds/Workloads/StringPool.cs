using System.Buffers;
using System.Text;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// One instance of each text that many resources share (namespaces, nodes, service names): of a hundred thousand workloads, most texts are
/// the same few. Bounded: texts beyond that are simply not shared. Not thread-safe.
/// </summary>
internal sealed class StringPool
{
    private const int Most = 65536;
    private const int MostInLookup = 256;
    private readonly HashSet<string> _strings;
    private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _spans;
    private readonly char[] _chars = new char[MostInLookup];

    /// <summary>Creates an empty pool.</summary>
    public StringPool()
    {
        _strings = new HashSet<string>(StringComparer.Ordinal);
        _spans = _strings.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>The string of an ASCII text, the shared one where there is one; null when it is not ASCII.</summary>
    public string? GetAscii(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return "";
        }

        Span<char> chars = _chars;
        if (text.Length > MostInLookup)
        {
            return Ascii.IsValid(text) ? Get(Encoding.ASCII.GetString(text)) : null;
        }

        if (Ascii.ToUtf16(text, chars, out var length) != OperationStatus.Done)
        {
            return null;
        }

        return _spans.TryGetValue(chars[..length], out var shared) ? shared : Get(chars[..length].ToString());
    }

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
