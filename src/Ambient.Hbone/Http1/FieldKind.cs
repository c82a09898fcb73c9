using System.Text;

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
    /// <summary>What a field is, whatever the case of its name.</summary>
    public static FieldKind Of(ReadOnlySpan<byte> name) => name.Length switch
    {
        2 when Ascii.EqualsIgnoreCase(name, "te"u8) => FieldKind.Te,
        4 when Ascii.EqualsIgnoreCase(name, "host"u8) => FieldKind.Host,
        6 when Ascii.EqualsIgnoreCase(name, "expect"u8) => FieldKind.Expect,
        7 when Ascii.EqualsIgnoreCase(name, "upgrade"u8) => FieldKind.Upgrade,
        10 when Ascii.EqualsIgnoreCase(name, "connection"u8) => FieldKind.Connection,
        10 when Ascii.EqualsIgnoreCase(name, "keep-alive"u8) => FieldKind.KeepAlive,
        14 when Ascii.EqualsIgnoreCase(name, "content-length"u8) => FieldKind.ContentLength,
        14 when Ascii.EqualsIgnoreCase(name, "http2-settings"u8) => FieldKind.Http2Settings,
        16 when Ascii.EqualsIgnoreCase(name, "proxy-connection"u8) => FieldKind.ProxyConnection,
        17 when Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8) => FieldKind.TransferEncoding,
        _ => FieldKind.Ordinary,
    };
}
