using System.Diagnostics.CodeAnalysis;
using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// The header section of one message as it is read: ordinary fields go into the head's list, what concerns the connection and the framing stays here.
/// </summary>
/// <param name="maxFields">Most fields, of either sort.</param>
/// <param name="isRequest">Whether the message is a request.</param>
internal sealed class HeadFields(int maxFields, bool isRequest)
{
    private readonly CachedText _host = new();
    private int _count;
    private int _transferEncodings;
    private bool _isChunked;

    /// <summary>Options of the connection.</summary>
    public ConnectionOptions Connection { get; } = new(maxFields);

    /// <summary>Value of <c>Content-Length</c>; null: there is none.</summary>
    public long? ContentLength { get; private set; }

    /// <summary>Whether there is a <c>Transfer-Encoding</c>, whatever it says.</summary>
    public bool HasTransferEncoding => _transferEncodings > 0;

    /// <summary>Whether <c>Transfer-Encoding</c> is <c>chunked</c>, once and alone.</summary>
    public bool IsChunked => _isChunked && _transferEncodings == 1;

    /// <summary>Value of a request's <c>Host</c>, checked; null: there is none.</summary>
    public string? Host { get; private set; }

    /// <summary>Value of <c>Upgrade</c>, whether <c>Connection</c> names it or not; null: none that counts.</summary>
    public string? Upgrade { get; private set; }

    /// <summary>Whether <c>TE</c> says that trailers are welcome.</summary>
    public bool TakesTrailers { get; private set; }

    /// <summary>Whether <c>Expect</c> asks for an interim 100.</summary>
    public bool ExpectsContinue { get; private set; }

    /// <summary>Takes one line.</summary>
    /// <exception cref="Http1Exception">It breaks the protocol or a limit.</exception>
    public void Take(ReadOnlySpan<byte> line, HttpFields fields)
    {
        if (++_count > maxFields)
        {
            ThrowTooMany();
        }

        FieldLine.Split(line, out var name, out var value);
        var kind = FieldKinds.Of(name);
        switch (kind)
        {
            case FieldKind.Host when isRequest:
                TakeHost(value);
                break;
            case FieldKind.Te:
                TakesTrailers |= HasTrailers(value);
                break;
            case FieldKind.Upgrade:
                Upgrade = UpgradeList.Add(Upgrade, value);
                break;
            case FieldKind.Connection:
                Connection.Take(value);
                break;
            case FieldKind.ContentLength:
                TakeContentLength(value);
                break;
            case FieldKind.TransferEncoding:
                _transferEncodings++;
                _isChunked = Ascii.EqualsIgnoreCase(value, "chunked"u8);
                break;
            case FieldKind.KeepAlive or FieldKind.Http2Settings or FieldKind.ProxyConnection:
                break;
            default:
                // An expectation is for the endpoint to meet, so the field stays in its place.
                ExpectsContinue |= kind == FieldKind.Expect && Ascii.EqualsIgnoreCase(value, "100-continue"u8);
                fields.Add(name, value);
                break;
        }
    }

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        Connection.Reset();
        (_count, _transferEncodings, _isChunked) = (0, 0, false);
        (ContentLength, Host, Upgrade, TakesTrailers, ExpectsContinue) = (null, null, null, false, false);
    }

    private static bool HasTrailers(ReadOnlySpan<byte> value)
    {
        foreach (var range in value.Split((byte)','))
        {
            if (Ascii.EqualsIgnoreCase(FieldLine.TrimBlanks(value[range]), "trailers"u8))
            {
                return true;
            }
        }

        return false;
    }

    private void TakeHost(ReadOnlySpan<byte> value)
    {
        if (Host is not null)
        {
            throw new Http1Exception(400, "there is more than one Host");
        }

        if (_host.TryLast(value, out var last))
        {
            Host = last;
            return;
        }

        if (!HttpSyntax.IsAuthority(value))
        {
            throw new Http1Exception(400, value.IsEmpty ? "Host is empty" : "Host is not a host with or without a port");
        }

        Host = _host.Of(value);
    }

    private void TakeContentLength(ReadOnlySpan<byte> value)
    {
        if (ContentLength is not null)
        {
            throw new Http1Exception(400, "there is more than one Content-Length");
        }

        // 18 digits are always within 64 bits.
        var isNumber = value.Length is > 0 and <= 18;
        var length = 0L;
        for (var i = 0; isNumber && i < value.Length; i++)
        {
            isNumber = char.IsAsciiDigit((char)value[i]);
            length = (length * 10) + (value[i] - '0');
        }

        ContentLength = isNumber ? length : throw new Http1Exception(400, "Content-Length is not a number of at most 18 digits");
    }

    // The text is made here, where it is not in the way of the lines that are taken.
    [DoesNotReturn]
    private void ThrowTooMany() => throw new Http1Exception(431, $"the head has more than {maxFields} fields");
}
