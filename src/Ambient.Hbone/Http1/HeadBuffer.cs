using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>Writes a head into a buffer that is large enough.</summary>
internal ref struct HeadBuffer(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes that every one of a list's fields, or of an upgrade's, takes at most.</summary>
    public static int Measure(HttpFields fields, string? upgrade) => fields.Size + (4 * fields.Count) + (upgrade?.Length ?? 0);

    /// <summary>Writes bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer[Length..]);
        Length += bytes.Length;
    }

    /// <summary>Writes text that was checked to be ASCII.</summary>
    public void Write(string text)
    {
        // The encoding, which takes longer to call, writes a question mark for what should not have come here.
        var room = _buffer[Length..];
        Length += Ascii.FromUtf16(text, room, out var written) == OperationStatus.Done ? written : Encoding.ASCII.GetBytes(text, room);
    }

    /// <summary>Writes a number in decimal.</summary>
    public void Write(long number)
    {
        if (!Utf8Formatter.TryFormat(number, _buffer[Length..], out var written))
        {
            throw new ArgumentException("the buffer is too small");
        }

        Length += written;
    }

    /// <summary>Writes fields, but those that the codec writes by itself: who puts such a one into a list must not change the framing by it.</summary>
    public void Write(HttpFields fields, bool isRequest)
    {
        for (var i = 0; i < fields.Count; i++)
        {
            var line = fields.Line(i);
            if (!FieldKinds.MayBegin(line[0]) || IsWritten(FieldKinds.Of(fields[i].Name), isRequest))
            {
                Write(line);
            }
        }
    }

    private static bool IsWritten(FieldKind kind, bool isRequest) => kind is FieldKind.Ordinary or FieldKind.Expect || (kind == FieldKind.Host && !isRequest);

    /// <summary>Writes the field that says where the body ends, if there is one.</summary>
    public void WriteFraming(Http1BodyKind body, long? length)
    {
        if (body == Http1BodyKind.Chunked)
        {
            Write("transfer-encoding: chunked\r\n"u8);
        }
        else if (body == Http1BodyKind.Length || (body == Http1BodyKind.None && length is not null))
        {
            Write("content-length: "u8);
            Write(length ?? 0);
            Write("\r\n"u8);
        }
    }

    /// <summary>Writes the field that asks for, or agrees to, another protocol.</summary>
    public void WriteUpgrade(string upgrade)
    {
        Write("upgrade: "u8);
        Write(upgrade);
        Write("\r\n"u8);
    }
}
