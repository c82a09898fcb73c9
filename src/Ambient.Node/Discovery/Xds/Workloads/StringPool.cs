using System.Text;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// One instance of each text that many resources share (namespaces, nodes, service names): of a hundred thousand workloads, most texts are
/// the same few. ASCII is looked up as it lies on the wire. Bounded: texts beyond that are simply not shared. Not thread-safe.
/// </summary>
internal sealed class StringPool
{
    private const int Most = 65536;
    private const int MostInLookup = 256;
    private Entry[] _entries = new Entry[16];
    private int _count;

    /// <summary>The string of an ASCII text, the shared one where there is one; null when it is not ASCII.</summary>
    public string? GetAscii(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return "";
        }

        if (text.Length > MostInLookup)
        {
            return Ascii.IsValid(text) ? Encoding.ASCII.GetString(text) : null;
        }

        var hash = BytesHash.Of(text);
        return Find(text, hash, out var free) ?? (Ascii.IsValid(text) ? Keep(Encoding.ASCII.GetString(text), hash, free) : null);
    }

    /// <summary>An equal string, the shared one where there is one. What is not ASCII is not shared.</summary>
    public string Get(string text)
    {
        if (text.Length is 0 or > MostInLookup || !Ascii.IsValid(text))
        {
            return text;
        }

        Span<byte> bytes = stackalloc byte[text.Length];
        Encoding.ASCII.GetBytes(text, bytes);
        var hash = BytesHash.Of(bytes);
        return Find(bytes, hash, out var free) ?? Keep(text, hash, free);
    }

    /// <summary>The string that is kept of a text; where there is none, the place for it.</summary>
    private string? Find(ReadOnlySpan<byte> text, ulong hash, out int at)
    {
        var entries = _entries;
        for (at = (int)hash & (entries.Length - 1); entries[at].Text is { } kept; at = (at + 1) & (entries.Length - 1))
        {
            if (entries[at].Hash == hash && Ascii.Equals(text, kept))
            {
                return kept;
            }
        }

        return null;
    }

    private string Keep(string text, ulong hash, int free)
    {
        if (_count == Most)
        {
            return text;
        }

        _entries[free] = new Entry(hash, text);
        if (++_count > _entries.Length / 2)
        {
            Grow();
        }

        return text;
    }

    private void Grow()
    {
        var grown = new Entry[_entries.Length * 2];
        foreach (var entry in _entries)
        {
            if (entry.Text is not null)
            {
                var at = (int)entry.Hash & (grown.Length - 1);
                while (grown[at].Text is not null)
                {
                    at = (at + 1) & (grown.Length - 1);
                }

                grown[at] = entry;
            }
        }

        _entries = grown;
    }

    /// <summary>A text that is shared; null: the place is free.</summary>
    private readonly record struct Entry(ulong Hash, string? Text);
}
