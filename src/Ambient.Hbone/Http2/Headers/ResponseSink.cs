using Ambient.Hbone.Http2.HPack;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>Reads the header block of a response into its head (RFC 9113 section 8.3.2).</summary>
internal struct ResponseSink(ResponseHead head) : IHeaderSink
{
    public FieldSink Fields;
    private long? _length;

    public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        if (!Fields.Accept(name, value, out var pseudo))
        {
            return;
        }

        if (pseudo)
        {
            OnPseudoHeader(name, value);
        }
        else if (name.SequenceEqual("content-length"u8))
        {
            Fields.ReadLength(value, ref _length);
        }
        else if (!name.SequenceEqual("te"u8))
        {
            Fields.Add(name, value);
        }
    }

    /// <summary>The block is whole: fills in what depends on all of it.</summary>
    /// <returns>What makes it malformed, or null.</returns>
    public readonly string? Finish(bool endStream, in AnsweredRequest request)
    {
        if (Fields.Fault is { } fault)
        {
            return fault;
        }

        if (head.Status == 0)
        {
            return "no :status";
        }

        if (head.Status == 101)
        {
            return "status 101, which HTTP/2 does not have";
        }

        if (head.IsInterim)
        {
            return endStream ? "an interim response that ends the stream" : null;
        }

        var hasNoContent = request.IsHead || head.Status is 204 or 304;
        if (endStream && _length > 0 && !hasNoContent)
        {
            return "a content-length and no content";
        }

        var changes = head.Status is >= 200 and < 300 && (request.Upgrade is not null || request.IsConnect);
        head.Upgrade = changes ? request.Upgrade : null;
        head.ContentLength = changes ? null : _length;
        head.HasBody = !endStream && !hasNoContent;
        return null;
    }

    private void OnPseudoHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        if (!name.SequenceEqual(":status"u8))
        {
            Fields.SetFault("a pseudo-header that responses do not have");
        }
        else if (head.Status != 0)
        {
            Fields.SetFault(":status twice");
        }
        else if (value.Length != 3 || value.ContainsAnyExceptInRange((byte)'0', (byte)'9') || value[0] is < (byte)'1' or > (byte)'5')
        {
            Fields.SetFault(":status is not a number from 100 to 599");
        }
        else
        {
            head.Status = ((value[0] - '0') * 100) + ((value[1] - '0') * 10) + (value[2] - '0');
        }
    }
}
