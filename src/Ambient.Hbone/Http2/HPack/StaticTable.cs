namespace Ambient.Hbone.Http2.HPack;

/// <summary>The static table (RFC 7541 appendix A), indices 1 to 61, without an object behind it.</summary>
internal static class StaticTable
{
    public const int Count = 61;

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

    public static ReadOnlySpan<byte> Name(int index) => index switch
    {
        1 => ":authority"u8,
        2 or 3 => ":method"u8,
        4 or 5 => ":path"u8,
        6 or 7 => ":scheme"u8,
        >= 8 and <= 14 => ":status"u8,
        15 => "accept-charset"u8,
        16 => "accept-encoding"u8,
        17 => "accept-language"u8,
        18 => "accept-ranges"u8,
        19 => "accept"u8,
        20 => "access-control-allow-origin"u8,
        21 => "age"u8,
        22 => "allow"u8,
        23 => "authorization"u8,
        24 => "cache-control"u8,
        25 => "content-disposition"u8,
        26 => "content-encoding"u8,
        27 => "content-language"u8,
        28 => "content-length"u8,
        29 => "content-location"u8,
        30 => "content-range"u8,
        31 => "content-type"u8,
        32 => "cookie"u8,
        33 => "date"u8,
        34 => "etag"u8,
        35 => "expect"u8,
        36 => "expires"u8,
        37 => "from"u8,
        38 => "host"u8,
        39 => "if-match"u8,
        40 => "if-modified-since"u8,
        41 => "if-none-match"u8,
        42 => "if-range"u8,
        43 => "if-unmodified-since"u8,
        44 => "last-modified"u8,
        45 => "link"u8,
        46 => "location"u8,
        47 => "max-forwards"u8,
        48 => "proxy-authenticate"u8,
        49 => "proxy-authorization"u8,
        50 => "range"u8,
        51 => "referer"u8,
        52 => "refresh"u8,
        53 => "retry-after"u8,
        54 => "server"u8,
        55 => "set-cookie"u8,
        56 => "strict-transport-security"u8,
        57 => "transfer-encoding"u8,
        58 => "user-agent"u8,
        59 => "vary"u8,
        60 => "via"u8,
        61 => "www-authenticate"u8,
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

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
