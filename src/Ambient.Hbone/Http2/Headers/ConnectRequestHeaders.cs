using System.Buffers;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>What HBONE reads and writes in the headers of a CONNECT. Others are counted toward the limits and dropped.</summary>
internal readonly record struct ConnectRequestHeaders : IHeaderBlock
{
    /// <summary>The <c>:authority</c>: not empty, and made of characters that an authority may have.</summary>
    public required string Authority { get; init; }

    /// <summary>The <c>baggage</c> header, several lines joined with a comma, or null.</summary>
    public string? Baggage { get; init; }

    /// <summary>The first <c>forwarded</c> header, or null.</summary>
    public string? Forwarded { get; init; }

    /// <summary>The first <c>traceparent</c> header, or null.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The first <c>x-forwarded-network</c> header, or null.</summary>
    public string? ForwardedNetwork { get; init; }

    /// <summary>The first <c>x-istio-source</c> header, or null.</summary>
    public string? RequestSource { get; init; }

    /// <inheritdoc/>
    public void Write(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, bool endStream, int maxFrameSize) =>
        ConnectHeaderWriter.WriteRequest(output, encoder, streamId, this, endStream, maxFrameSize);
}
