using System.Text;

namespace Ambient.Hbone.Http1;

/// <summary>Text of bytes that are often the same from one message of a connection to the next, made once for those.</summary>
internal sealed class CachedText
{
    // What an idle connection may hold on to.
    private const int Longest = 256;

    private string _last = "";

    /// <summary>The text of bytes that are those whose text was asked for last, and so need not be looked at again. False: they are others.</summary>
    public bool TryLast(ReadOnlySpan<byte> bytes, out string text)
    {
        text = _last;
        return text.Length > 0 && Ascii.Equals(bytes, text);
    }

    /// <summary>The text of bytes that are ASCII.</summary>
    public string Of(ReadOnlySpan<byte> bytes)
    {
        if (Ascii.Equals(bytes, _last))
        {
            return _last;
        }

        var text = Encoding.ASCII.GetString(bytes);
        if (text.Length <= Longest)
        {
            _last = text;
        }

        return text;
    }
}
