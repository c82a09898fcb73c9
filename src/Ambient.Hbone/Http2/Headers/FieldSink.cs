using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>What heads and trailers have in common: limits, well-formedness (RFC 9113 section 8.2), and the list that the fields go to.</summary>
internal struct FieldSink(HttpFields fields, int maxSize, int maxFields)
{
    private int _size;
    private bool _regular;

    /// <summary>What makes the block malformed, or null.</summary>
    public string? Fault { get; private set; }

    /// <summary>Whether a limit was passed. Nothing is kept from there on.</summary>
    public bool IsTooLarge { get; private set; }

    /// <summary>Counts and checks one header; false when there is nothing more to do with it.</summary>
    public bool Accept(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, out bool pseudo)
    {
        pseudo = !name.IsEmpty && name[0] == (byte)':';

        // Past the limit the count stays where it is rather than overflow.
        _size = IsTooLarge ? _size : _size + HeaderListSize.Of(name, value);
        IsTooLarge |= _size > maxSize || (!pseudo && fields.Count >= maxFields);
        if (IsTooLarge || Fault is not null)
        {
            return false;
        }

        Fault = HeaderRules.FaultOf(name, value, pseudo, afterRegular: _regular);
        _regular |= !pseudo;
        return Fault is null;
    }

    public readonly void Add(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value) => fields.Add(name, value);

    public void SetFault(string fault) => Fault ??= fault;

    /// <summary>Reads a <c>content-length</c>: digits alone, and once, as over HTTP/1.1 (RFC 9110 section 8.6).</summary>
    public void ReadLength(scoped ReadOnlySpan<byte> value, ref long? length)
    {
        var read = 0L;
        if (value.IsEmpty || value.Length > 18)
        {
            SetFault("a content-length that is not a number of bytes");
            return;
        }

        foreach (var digit in value)
        {
            if (digit is < (byte)'0' or > (byte)'9')
            {
                SetFault("a content-length that is not a number of bytes");
                return;
            }

            read = (read * 10) + (digit - '0');
        }

        if (length is not null)
        {
            SetFault("content-length twice");
        }

        length = read;
    }
}
