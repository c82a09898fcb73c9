using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace Ambient.Node.Telemetry;

/// <summary>
/// Builds UTF-8 text without intermediate strings: log lines and metrics. Grows from the shared pool and gives back what it
/// grew beyond <see cref="Kept"/> when it is reset. Not thread-safe; <see cref="Rent"/> hands out one for each thread.
/// </summary>
internal sealed class Utf8TextBuilder : IBufferWriter<byte>
{
    private const int Kept = 4096;

    [ThreadStatic]
    private static Utf8TextBuilder? t_cached;

    // Many lines are written within one second: all of a moment but its fraction is formatted once for them.
    private readonly byte[] _secondText = new byte[20];
    private long _second = -1;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(1024);
    private int _length;

    // What lines of the same kind begin with, as bytes, and what it was made of.
    private const int MostRepeated = 128;
    private readonly byte[] _repeated = new byte[MostRepeated];
    private int _repeatedLength;
    private string? _message;
    private string? _target;
    private int _level;

    /// <summary>What was built so far; valid until the next change.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>The same as <see cref="Written"/>, for asynchronous writers.</summary>
    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(0, _length);

    /// <summary>The thread's own builder, empty. Give it back with <see cref="Return"/> before the next rent on the thread.</summary>
    public static Utf8TextBuilder Rent()
    {
        var builder = t_cached ?? new Utf8TextBuilder();
        t_cached = null;
        return builder;
    }

    /// <summary>Empties the builder and keeps it for the thread.</summary>
    public void Return()
    {
        Clear();
        t_cached = this;
    }

    /// <summary>Forgets what was built.</summary>
    public void Clear()
    {
        _length = 0;
        if (_buffer.Length > Kept)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = ArrayPool<byte>.Shared.Rent(1024);
        }
    }

    /// <summary>Forgets what was built and keeps the buffer, for whoever builds the next piece of the same size.</summary>
    public void Rewind() => _length = 0;

    /// <summary>Forgets what was built beyond a length.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)_length);
        _length = length;
    }

    /// <summary>Appends what <see cref="Repeatable"/> was told of, where it was made of the same objects; false: it was not.</summary>
    public bool TryRepeat(string message, string target, int level)
    {
        if (!ReferenceEquals(message, _message) || !ReferenceEquals(target, _target) || level != _level)
        {
            return false;
        }

        Append(_repeated.AsSpan(0, _repeatedLength));
        return true;
    }

    /// <summary>What was appended since a length is made of these, and will be asked for again.</summary>
    public void Repeatable(string message, string target, int level, int since)
    {
        if (_length - since <= MostRepeated)
        {
            Written[since..].CopyTo(_repeated);
            (_message, _target, _level, _repeatedLength) = (message, target, level, _length - since);
        }
    }

    /// <summary>Appends UTF-8 as it is.</summary>
    public Utf8TextBuilder Append(ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(GetSpan(utf8.Length));
        _length += utf8.Length;
        return this;
    }

    /// <summary>Appends text as it is.</summary>
    public Utf8TextBuilder Append(ReadOnlySpan<char> text)
    {
        var span = GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length));
        _length += Encoding.UTF8.GetBytes(text, span);
        return this;
    }

    /// <summary>Appends a whole number.</summary>
    public Utf8TextBuilder Append(long value)
    {
        Utf8Formatter.TryFormat(value, GetSpan(20), out var written);
        _length += written;
        return this;
    }

    /// <summary>Appends a number in the shortest form that reads back the same.</summary>
    public Utf8TextBuilder Append(double value)
    {
        value.TryFormat(GetSpan(32), out var written, default, CultureInfo.InvariantCulture);
        _length += written;
        return this;
    }

    /// <summary>Appends an address and port: <c>1.2.3.4:80</c>, <c>[::1]:80</c>.</summary>
    public Utf8TextBuilder Append(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        var v6 = endPoint.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        if (v6)
        {
            Append("["u8);
        }

        endPoint.Address.TryFormat(GetSpan(65), out var written);
        _length += written;
        return Append(v6 ? "]:"u8 : ":"u8).Append((long)endPoint.Port);
    }

    /// <summary>Appends a moment as RFC 3339 in UTC with microseconds.</summary>
    public Utf8TextBuilder Append(DateTimeOffset time)
    {
        var ticks = time.UtcTicks;
        var second = ticks / TimeSpan.TicksPerSecond;
        if (second != _second)
        {
            time.UtcDateTime.TryFormat(_secondText, out _, "yyyy-MM-ddTHH:mm:ss.", CultureInfo.InvariantCulture);
            _second = second;
        }

        var span = GetSpan(27);
        _secondText.CopyTo(span);
        var microseconds = (int)(ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
        for (var i = 25; i >= 20; i--)
        {
            (microseconds, var digit) = Math.DivRem(microseconds, 10);
            span[i] = (byte)('0' + digit);
        }

        span[26] = (byte)'Z';
        _length += 27;
        return this;
    }

    /// <summary>Appends text in double quotes, with quotes, backslashes and control characters escaped. One value, one line.</summary>
    public Utf8TextBuilder AppendQuoted(ReadOnlySpan<char> text) => TryAppendPlain(text) ? this : Append("\""u8).AppendEscaped(text).Append("\""u8);

    /// <summary>Appends text with quotes, backslashes and control characters escaped.</summary>
    public Utf8TextBuilder AppendEscaped(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            var plain = text.IndexOfAny(Special);
            if (plain < 0)
            {
                return Append(text);
            }

            Append(text[..plain]);
            switch (text[plain])
            {
                case '\n': Append("\\n"u8); break;
                case '\r': Append("\\r"u8); break;
                case '\t': Append("\\t"u8); break;
                case '"': Append("\\\""u8); break;
                case '\\': Append("\\\\"u8); break;
                default: Append("\\u{"u8).AppendHex(text[plain]).Append("}"u8); break;
            }

            text = text[(plain + 1)..];
        }

        return this;
    }

    /// <summary>Appends text for people: quotes stay, but line breaks and other control characters do not, so that a peer cannot forge a line.</summary>
    public Utf8TextBuilder AppendMessage(ReadOnlySpan<char> text)
    {
        while (text.IndexOfAny(Control) is >= 0 and var control)
        {
            Append(text[..control]).Append("?"u8);
            text = text[(control + 1)..];
        }

        return Append(text);
    }

    /// <summary>Appends a JSON string with its quotes.</summary>
    public Utf8TextBuilder AppendJson(ReadOnlySpan<char> text) => TryAppendPlain(text) ? this : Append("\""u8).AppendJsonEscaped(text).Append("\""u8);

    /// <summary>Appends text escaped for the inside of a JSON string.</summary>
    public Utf8TextBuilder AppendJsonEscaped(ReadOnlySpan<char> text)
    {
        // Nearly every value is an address, a name or an identity: nothing in it needs an escape.
        return text.ContainsAny(Special)
            ? Append(JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes)
            : Append(text);
    }

    /// <inheritdoc/>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)(_buffer.Length - _length));
        _length += count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_length);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_length);
    }

    private static readonly SearchValues<char> Special = SearchValues.Create("\"\\" + Controls);

    private static readonly SearchValues<char> Control = SearchValues.Create(Controls);

    private const string Controls =
        "\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f\u007f\u0085\u2028\u2029";

    // Visible ASCII that stands for itself within quotes, in either form.
    private static readonly SearchValues<char> Plain = SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(static c => (char)c).Where(static c => c is not ('"' or '\\'))]);

    /// <summary>Appends text in double quotes in one go, if nothing in it needs an escape.</summary>
    private bool TryAppendPlain(ReadOnlySpan<char> text)
    {
        if (text.ContainsAnyExcept(Plain))
        {
            return false;
        }

        var span = GetSpan(text.Length + 2);
        span[0] = (byte)'"';
        Encoding.ASCII.GetBytes(text, span[1..]);
        span[text.Length + 1] = (byte)'"';
        _length += text.Length + 2;
        return true;
    }

    private Utf8TextBuilder AppendHex(char c)
    {
        Utf8Formatter.TryFormat((uint)c, GetSpan(8), out var written, new StandardFormat('x'));
        _length += written;
        return this;
    }

    // A line asks for room twenty times, and has it: that is no call.
    private void Reserve(int size)
    {
        if (_buffer.Length - _length < Math.Max(size, 1))
        {
            Grow(Math.Max(size, 1));
        }
    }

    private void Grow(int size)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_buffer.Length * 2, _length + size));
        Written.CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }
}
