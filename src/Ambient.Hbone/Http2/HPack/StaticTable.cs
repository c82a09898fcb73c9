namespace Ambient.Hbone.Http2.HPack;

/// <summary>The static table (RFC 7541 appendix A), indices 1 to 61.</summary>
internal static class StaticTable
{
    public const int Count = 61;

    // Entries that are written without looking for them.
    public const int MethodGet = 2;
    public const int MethodPost = 3;
    public const int PathSlash = 4;
    public const int SchemeHttp = 6;
    public const int Status200 = 8;
    public const int Age = 21;
    public const int Authorization = 23;
    public const int ContentLength = 28;
    public const int Cookie = 32;
    public const int Date = 33;
    public const int ETag = 34;
    public const int Expires = 36;
    public const int LastModified = 44;
    public const int Location = 46;
    public const int ProxyAuthorization = 49;
    public const int SetCookie = 55;

    // The first entry whose name has so many bytes; 0: none. Find looks at no others.
    private static ReadOnlySpan<byte> FirstOfLength =>
    [
        0, 0, 0, 21, 33, 4, 19, 2, 39, 0, 1, 53, 31, 18, 15, 16, 26, 40, 48, 25, 0, 0, 0, 0, 0, 56, 0, 20,
    ];

    // By index from 0: the next entry whose name is as long; 0: none.
    private static ReadOnlySpan<byte> NextOfLength =>
    [
        0, 55, 3, 6, 5, 22, 7, 8, 9, 10, 11, 12, 13, 14, 36, 28, 17, 0, 23, 32, 0, 60, 50, 24, 30, 43, 27, 29, 0, 61, 41, 47, 35, 34, 37, 54,
        51, 38, 45, 42, 57, 44, 46, 49, 0, 59, 0, 0, 0, 0, 0, 52, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0,
    ];

    // By index from 0: the last byte of the name, in which names as long as each other mostly differ.
    private static ReadOnlySpan<byte> LastOfName => " yddhheessssssstgestnewnlngehneeeegtsmtheheedknsenerhrreygtyae"u8;

    // By index from 0: where the name begins in Names, and its bytes. A table rather than a switch: it is a line of data where that is sixty of code.
    private static readonly ushort[] s_startOfName =
    [
        0, 0, 10, 10, 17, 17, 22, 22, 29, 29, 29, 29, 29, 29, 29, 36, 50, 65, 80, 93, 99, 126, 129, 134,
        147, 160, 179, 195, 211, 225, 241, 254, 266, 272, 276, 280, 286, 293, 297, 301, 309, 326, 339, 347, 366, 379, 383, 391,
        403, 421, 440, 445, 452, 459, 470, 476, 486, 511, 528, 538, 542, 545,
    ];

    private static ReadOnlySpan<byte> LengthOfName =>
    [
        0, 10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13,
        13, 19, 16, 16, 14, 16, 13, 12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12,
        18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
    ];

    // In the order of the table, each once.
    private static ReadOnlySpan<byte> Names =>
        ":authority:method:path:scheme:statusaccept-charsetaccept-encodingaccept-languageaccept-rangesaccept"u8 +
        "access-control-allow-originageallowauthorizationcache-controlcontent-dispositioncontent-encoding"u8 +
        "content-languagecontent-lengthcontent-locationcontent-rangecontent-typecookiedateetagexpectexpiresfromhost"u8 +
        "if-matchif-modified-sinceif-none-matchif-rangeif-unmodified-sincelast-modifiedlinklocationmax-forwards"u8 +
        "proxy-authenticateproxy-authorizationrangerefererrefreshretry-afterserverset-cookiestrict-transport-security"u8 +
        "transfer-encodinguser-agentvaryviawww-authenticate"u8;

    public static ReadOnlySpan<byte> Name(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, Count);
        return Names.Slice(s_startOfName[index], LengthOfName[index]);
    }

    public static ReadOnlySpan<byte> Value(int index) => index switch
    {
        2 => "GET"u8,
        3 => "POST"u8,
        4 => "/"u8,
        5 => "/index.html"u8,
        6 => "http"u8,
        7 => "https"u8,
        8 => "200"u8,
        9 => "204"u8,
        10 => "206"u8,
        11 => "304"u8,
        12 => "400"u8,
        13 => "404"u8,
        14 => "500"u8,
        16 => "gzip, deflate"u8,
        _ => default,
    };

    /// <summary>Index of an entry equal in name and value, or 0; and of the first with the name, or 0.</summary>
    public static int Find(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, out int nameIndex)
    {
        nameIndex = 0;
        for (int index = name.Length < FirstOfLength.Length ? FirstOfLength[name.Length] : 0; index != 0; index = NextOfLength[index])
        {
            if (LastOfName[index] != name[^1] || !Name(index).SequenceEqual(name))
            {
                continue;
            }

            if (nameIndex == 0)
            {
                nameIndex = index;
            }

            if (Value(index).SequenceEqual(value))
            {
                return index;
            }
        }

        return 0;
    }
}
