namespace Ambient.Http;

/// <summary>
/// The head of a request in the form that both protocols share, and the only form there is: policies, routes, filters, logs and the writer to the
/// endpoint read and edit this one object, so that what is decided on is what is sent. Fields that concern one connection (RFC 9110 section 7.6.1),
/// framing, and the host are not in <see cref="Fields"/>: a codec takes them out before anybody looks. One object serves many requests.
/// </summary>
public sealed class RequestHead
{
    /// <summary>The protocol that it came in.</summary>
    public HttpProtocolVersion Version { get; set; } = HttpProtocolVersion.Http11;

    /// <summary>
    /// The method, letter for letter. A WebSocket over HTTP/2 (RFC 8441), a CONNECT on the wire, is the GET that it stands for, with <see cref="Upgrade"/>.
    /// </summary>
    public string Method { get; set; } = "";

    /// <summary>The scheme where the request says it (HTTP/2, or a target in absolute form); else empty.</summary>
    public string Scheme { get; set; } = "";

    /// <summary>
    /// Host and port as the request says them: <c>:authority</c>, <c>Host</c>, or that of a target in absolute form, which takes precedence (RFC 9112
    /// section 3.2.2). Empty where a client of HTTP/1.0 sent none.
    /// </summary>
    public string Authority { get; set; } = "";

    /// <summary>Path and query as they came, beginning with a slash; <c>*</c> of an OPTIONS; empty for a CONNECT.</summary>
    public string Target { get; set; } = "";

    /// <summary>The protocol that the request asks to change to (<c>websocket</c>), by <c>Upgrade</c> or <c>:protocol</c>; null: none.</summary>
    public string? Upgrade { get; set; }

    /// <summary>All other fields, in their order.</summary>
    public HttpFields Fields { get; } = new();

    /// <summary>Whether a body follows. One of unknown length may turn out to be empty.</summary>
    public bool HasBody { get; set; }

    /// <summary>Bytes of the body where the request says them; null: it does not.</summary>
    public long? ContentLength { get; set; }

    /// <summary>Whether the client wants an interim 100 before it sends the body (RFC 9110 section 10.1.1).</summary>
    public bool ExpectsContinue { get; set; }

    /// <summary>Whether the client takes trailers (<c>TE: trailers</c>, RFC 9110 section 10.1.4).</summary>
    public bool TakesTrailers { get; set; }

    /// <summary>
    /// The value of a field as policies and routes ask for it: several joined with a comma, <c>host</c> and <c>:authority</c> being
    /// <see cref="Authority"/>; null: there is none.
    /// </summary>
    public string? Get(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Equals("host", StringComparison.OrdinalIgnoreCase) || name.Equals(":authority", StringComparison.OrdinalIgnoreCase))
        {
            return Authority.Length == 0 ? null : Authority;
        }

        return name.Equals("content-length", StringComparison.OrdinalIgnoreCase)
            ? ContentLength?.ToString(System.Globalization.CultureInfo.InvariantCulture)
            : Fields.Get(name);
    }

    /// <summary>Forgets everything, ready for the next request.</summary>
    public void Clear()
    {
        Version = HttpProtocolVersion.Http11;
        (Method, Scheme, Authority, Target, Upgrade) = ("", "", "", "", null);
        Fields.Clear();
        (HasBody, ContentLength, ExpectsContinue, TakesTrailers) = (false, null, false, false);
    }

    /// <summary>Takes over another head, in place of its own.</summary>
    public void CopyFrom(RequestHead other)
    {
        ArgumentNullException.ThrowIfNull(other);
        Version = other.Version;
        (Method, Scheme, Authority, Target, Upgrade) = (other.Method, other.Scheme, other.Authority, other.Target, other.Upgrade);
        Fields.CopyFrom(other.Fields);
        (HasBody, ContentLength, ExpectsContinue, TakesTrailers) = (other.HasBody, other.ContentLength, other.ExpectsContinue, other.TakesTrailers);
    }
}
