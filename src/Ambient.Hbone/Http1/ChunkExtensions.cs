using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>Checks the extensions of a chunk (RFC 9112 section 7.1.1), which mean nothing to us, byte by byte from behind the first semicolon.</summary>
internal struct ChunkExtensions
{
    private Place _place;

    private enum Place
    {
        BeforeName,
        Name,
        BehindName,
        BeforeValue,
        Value,
        Quoted,
        Escaped,
        Closed,
        BehindValue,
    }

    /// <summary>Whether the line may end here.</summary>
    public readonly bool MayEnd => _place is Place.Name or Place.Value or Place.Closed;

    /// <summary>Begins behind the first semicolon of a line.</summary>
    public void Reset() => _place = Place.BeforeName;

    /// <summary>Takes a byte. False: it must not stand here.</summary>
    public bool Take(byte b)
    {
        var isBlank = b is (byte)' ' or (byte)'\t';
        var isToken = HttpSyntax.IsToken((char)b);
        Place? next = _place switch
        {
            Place.Quoted => b == '"' ? Place.Closed : b == '\\' ? Place.Escaped : HttpSyntax.IsFieldValue((char)b) ? Place.Quoted : null,
            Place.Escaped => HttpSyntax.IsFieldValue((char)b) ? Place.Quoted : null,
            Place.BeforeName => isBlank ? _place : isToken ? Place.Name : null,
            Place.BeforeValue => isBlank ? _place : isToken ? Place.Value : b == '"' ? Place.Quoted : null,
            _ when b == ';' => Place.BeforeName,
            Place.Name => isToken ? _place : isBlank ? Place.BehindName : b == '=' ? Place.BeforeValue : null,
            Place.BehindName => isBlank ? _place : b == '=' ? Place.BeforeValue : null,
            Place.Value => isToken ? _place : isBlank ? Place.BehindValue : null,
            _ => isBlank ? Place.BehindValue : null,
        };
        _place = next ?? _place;
        return next is not null;
    }
}
