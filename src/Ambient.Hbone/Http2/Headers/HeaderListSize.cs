using System.Text;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>Sizes of header lists as SETTINGS_MAX_HEADER_LIST_SIZE counts them (RFC 9113 section 6.5.2).</summary>
internal static class HeaderListSize
{
    /// <summary>Size of one header.</summary>
    public static int Of(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) => name.Length + value.Length + Http2Constants.HeaderOverhead;

    /// <summary>Size of a request's header list, to be compared with the peer's limit before it is sent.</summary>
    public static int Of(in ConnectRequestHeaders headers) =>
        Of(":method"u8, "CONNECT"u8)
        + Of(":authority"u8, headers.Authority)
        + Of("baggage"u8, headers.Baggage)
        + Of("forwarded"u8, headers.Forwarded)
        + Of("traceparent"u8, headers.TraceParent)
        + Of("x-forwarded-network"u8, headers.ForwardedNetwork)
        + Of("x-istio-source"u8, headers.RequestSource);

    private static int Of(ReadOnlySpan<byte> name, string? value) =>
        value is null ? 0 : name.Length + Encoding.UTF8.GetByteCount(value) + Http2Constants.HeaderOverhead;
}
