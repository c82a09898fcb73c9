namespace Ambient.Http;

/// <summary>
/// The head of a response in the form that both protocols share; see <see cref="RequestHead"/>. Reason phrases are not kept: HTTP/2 has none, and
/// HTTP/1.1 has recipients ignore them (RFC 9112 section 4).
/// </summary>
public sealed class ResponseHead
{
    /// <summary>The protocol that it came in.</summary>
    public HttpProtocolVersion Version { get; set; } = HttpProtocolVersion.Http11;

    /// <summary>Status code, 100 to 599.</summary>
    public int Status { get; set; }

    /// <summary>Fields, in their order, without those of one connection and of framing.</summary>
    public HttpFields Fields { get; } = new();

    /// <summary>Whether a body follows. One of unknown length may turn out to be empty. Never after HEAD, and with 1xx, 204 and 304.</summary>
    public bool HasBody { get; set; }

    /// <summary>Bytes of the body where the response says them, after HEAD and with 304 those that a GET would have brought; null: it does not.</summary>
    public long? ContentLength { get; set; }

    /// <summary>The protocol that both sides change to: with a 101, or a 2xx that answers an extended CONNECT (RFC 8441); null: none.</summary>
    public string? Upgrade { get; set; }

    /// <summary>Whether the final head is still to come (RFC 9110 section 15.2). A 101 is final: the protocol changes with it.</summary>
    public bool IsInterim => Status is >= 100 and < 200 and not 101;

    /// <summary>Forgets everything, ready for the next response.</summary>
    public void Clear()
    {
        Version = HttpProtocolVersion.Http11;
        Status = 0;
        Fields.Clear();
        (HasBody, ContentLength, Upgrade) = (false, null, null);
    }

    /// <summary>Takes over another head, in place of its own.</summary>
    public void CopyFrom(ResponseHead other)
    {
        ArgumentNullException.ThrowIfNull(other);
        (Version, Status, HasBody, ContentLength, Upgrade) = (other.Version, other.Status, other.HasBody, other.ContentLength, other.Upgrade);
        Fields.CopyFrom(other.Fields);
    }
}
