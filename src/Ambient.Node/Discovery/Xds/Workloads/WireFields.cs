using System.Buffers.Binary;
using System.Text;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// The fields of a protobuf message in their order, where they lie. The envelope around each resource is read with it: Google.Protobuf's own
/// reader would be four objects for each of a hundred thousand resources.
/// </summary>
/// <param name="message">The message.</param>
internal ref struct WireFields(ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private ReadOnlySpan<byte> _content;
    private int _at;
    private bool _hasContent;

    /// <summary>Number of the field.</summary>
    public int Number { get; private set; }

    /// <summary>Whether the field is a text, bytes or a message.</summary>
    public readonly bool IsText => _hasContent;

    /// <summary>Whether the field is a number of variable length, which is <see cref="Value"/>.</summary>
    public bool IsNumber { get; private set; }

    /// <summary>The field's number, where it is one of variable length; else 0.</summary>
    public ulong Value { get; private set; }

    /// <summary>The field's bits, where it is of fixed length; else 0.</summary>
    public ulong Bits { get; private set; }

    /// <summary>Bytes of the message up to the end of the field.</summary>
    public readonly int Position => _at;

    /// <summary>The field's content, where it is a text, bytes or a message.</summary>
    /// <exception cref="InvalidDataException">It is a number.</exception>
    public readonly ReadOnlySpan<byte> Content => _hasContent ? _content : throw new InvalidDataException($"field {Number} should be a text or a message and is a number");

    /// <summary>The field's content as text.</summary>
    /// <exception cref="InvalidDataException">It is a number.</exception>
    public readonly string Text => Content.IsEmpty ? "" : Encoding.UTF8.GetString(_content);

    /// <summary>Goes to the next field; false at the end.</summary>
    /// <exception cref="InvalidDataException">What follows is not a field.</exception>
    public bool MoveNext()
    {
        if (_at == _message.Length)
        {
            return false;
        }

        var tag = Number32();
        Number = (int)(tag >> 3);
        _hasContent = false;
        (IsNumber, Value, Bits) = (false, 0, 0);
        _content = default;
        switch (Number == 0 ? -1 : (int)(tag & 7))
        {
            case 0:
                (IsNumber, Value) = (true, Varint());
                break;
            case 1:
                Bits = BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));
                break;
            case 2:
                _hasContent = true;
                _content = Take(Number32());
                break;
            case 5:
                Bits = BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));
                break;
            default:
                // Groups are gone from the language; nobody sends them.
                throw new InvalidDataException($"{tag} is not a valid tag");
        }

        return true;
    }

    private ReadOnlySpan<byte> Take(uint length)
    {
        var left = _message.Length - _at;
        if (length > left)
        {
            throw new InvalidDataException($"field {Number} should have {length} bytes, and {left} are left");
        }

        var taken = _message.Slice(_at, (int)length);
        _at += (int)length;
        return taken;
    }

    private uint Number32()
    {
        // Most tags and lengths are one byte.
        if (_at < _message.Length && _message[_at] is < 0x80 and var number)
        {
            _at++;
            return number;
        }

        var value = Varint();
        return value <= uint.MaxValue ? (uint)value : throw new InvalidDataException($"{value} is neither a tag nor a length");
    }

    private ulong Varint()
    {
        var value = 0ul;
        for (var shift = 0; shift < 64 && _at < _message.Length; shift += 7)
        {
            var next = _message[_at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new InvalidDataException("the message ends within a number, or the number does not end");
    }
}
