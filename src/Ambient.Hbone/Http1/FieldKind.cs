namespace Ambient.Hbone.Http1;

/// <summary>Fields that are between the two ends of a connection, or that the codec acts on; all others are <see cref="Ordinary"/>.</summary>
internal enum FieldKind
{
    Ordinary,
    Host,
    Te,
    Expect,
    Upgrade,
    Connection,
    KeepAlive,
    ContentLength,
    Http2Settings,
    ProxyConnection,
    TransferEncoding,
}

/// <summary>Tells <see cref="FieldKind"/>s apart.</summary>
internal static class FieldKinds
{
    // What their names begin with: a bit for each letter.
    private const uint Firsts = 1u << ('c' & 31) | 1u << ('e' & 31) | 1u << ('h' & 31) | 1u << ('k' & 31) | 1u << ('p' & 31) | 1u << ('t' & 31) | 1u << ('u' & 31);

    /// <summary>Whether a name that begins with this may be another than <see cref="FieldKind.Ordinary"/>: most do not, and need no further look.</summary>
    public static bool MayBegin(byte first) => (Firsts >> (first & 31) & 1) != 0;

    /// <summary>What a field is, whatever the case of its name.</summary>
    public static FieldKind Of(ReadOnlySpan<byte> name) => name.IsEmpty || !MayBegin(name[0]) ? FieldKind.Ordinary : name.Length switch
    {
        2 when TokenBytes.AreEqual(name, "te"u8) => FieldKind.Te,
        4 when TokenBytes.AreEqual(name, "host"u8) => FieldKind.Host,
        6 when TokenBytes.AreEqual(name, "expect"u8) => FieldKind.Expect,
        7 when TokenBytes.AreEqual(name, "upgrade"u8) => FieldKind.Upgrade,
        10 when TokenBytes.AreEqual(name, "connection"u8) => FieldKind.Connection,
        10 when TokenBytes.AreEqual(name, "keep-alive"u8) => FieldKind.KeepAlive,
        14 when TokenBytes.AreEqual(name, "content-length"u8) => FieldKind.ContentLength,
        14 when TokenBytes.AreEqual(name, "http2-settings"u8) => FieldKind.Http2Settings,
        16 when TokenBytes.AreEqual(name, "proxy-connection"u8) => FieldKind.ProxyConnection,
        17 when TokenBytes.AreEqual(name, "transfer-encoding"u8) => FieldKind.TransferEncoding,
        _ => FieldKind.Ordinary,
    };
}
