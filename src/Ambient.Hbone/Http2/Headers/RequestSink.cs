using System.Text;
using Ambient.Hbone.Http2.HPack;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>Reads the header block of a request into its head (RFC 9113 sections 8.2 and 8.3, RFC 8441).</summary>
internal struct RequestSink(RequestHead head, KnownText texts) : IHeaderSink
{
    public FieldSink Fields;
    private string? _host;
    private string? _protocol;
    private string? _refusal;
    private long? _length;
    private int _cookie = -1;
    private byte[]? _cookies;
    private int _cookieBytes;

    private bool HasMethod { get; set; }

    private bool HasScheme { get; set; }

    private bool HasPath { get; set; }

    private bool HasAuthority { get; set; }

    public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        if (!Fields.Accept(name, value, out var pseudo))
        {
            return;
        }

        if (pseudo)
        {
            OnPseudoHeader(name, value);
            return;
        }

        switch (name.Length)
        {
            case 2 when name.SequenceEqual("te"u8):
                head.TakesTrailers = true;
                break;
            case 4 when name.SequenceEqual("host"u8):
                OnHost(value);
                break;
            case 6 when name.SequenceEqual("cookie"u8):
                AddCookie(value);
                break;
            case 14 when name.SequenceEqual("content-length"u8):
                Fields.ReadLength(value, ref _length);
                break;
            default:
                // An expectation is for the endpoint to meet, so the field stays in its place.
                head.ExpectsContinue |= name.SequenceEqual("expect"u8) && Ascii.EqualsIgnoreCase(value, "100-continue"u8);
                Fields.Add(name, value);
                break;
        }
    }

    /// <summary>The block is whole: fills in what depends on all of it.</summary>
    /// <returns>What makes it malformed, or null.</returns>
    public string? Finish(bool endStream)
    {
        if (Fields.Fault is { } fault)
        {
            return fault;
        }

        if (!HasMethod)
        {
            return "no :method";
        }

        var isConnect = head.Method == "CONNECT";
        if (_protocol is not null && !isConnect)
        {
            return ":protocol in a request that is not a CONNECT";
        }

        // A plain CONNECT has neither (RFC 9113 section 8.5), anything else has both (section 8.3.1, RFC 8441 section 4).
        var isTunnel = isConnect && _protocol is null;
        if (isTunnel ? HasScheme || HasPath : !HasScheme || !HasPath)
        {
            return isTunnel ? "CONNECT with :scheme or :path" : "no :scheme or no :path";
        }

        if (isConnect && _length is not null)
        {
            return "a CONNECT with a content-length";
        }

        // RFC 9113 section 8.3.1: a path begins with a slash, but for the asterisk of an OPTIONS.
        Refuse(HasPath && head.Target[0] != '/' && !(head.Target == "*" && head.Method == "OPTIONS"), ":path does not begin with a slash");
        if (endStream && _length > 0)
        {
            return "a content-length and no content";
        }

        if (_protocol is not null)
        {
            head.Method = "GET";
            head.Upgrade = _protocol;
        }

        FinishCookies();
        head.ContentLength = _length;
        head.HasBody = !endStream && !isConnect;
        return null;
    }

    /// <summary>After <see cref="Finish"/>: what a request that is well-formed cannot be served for, or null.</summary>
    public readonly string? Refusal()
    {
        if (_refusal is not null)
        {
            return _refusal;
        }

        // :authority takes precedence, and a Host beside it is gone: nobody downstream can see another host than was decided on (section 8.3.1).
        if (!HasAuthority)
        {
            head.Authority = _host ?? "";
        }

        return head.Authority.Length == 0 ? "neither :authority nor host" : null;
    }

    private void OnPseudoHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        switch (name.Length)
        {
            case 7 when name.SequenceEqual(":method"u8):
                Once(HasMethod, HttpSyntax.IsToken(value), ":method");
                HasMethod = true;
                head.Method = KnownText.Method(value);
                break;
            case 7 when name.SequenceEqual(":scheme"u8):
                Once(HasScheme, !value.IsEmpty, ":scheme");
                HasScheme = true;
                Refuse(!HeaderRules.IsScheme(value), ":scheme is not a scheme");
                head.Scheme = KnownText.Scheme(value);
                break;
            case 5 when name.SequenceEqual(":path"u8):
                Once(HasPath, !value.IsEmpty, ":path");
                HasPath = true;
                head.Target = texts.Target(value);
                Refuse(!HttpSyntax.IsTarget(value), ":path has characters that no path has");
                break;
            case 10 when name.SequenceEqual(":authority"u8):
                Once(HasAuthority, true, ":authority");
                HasAuthority = true;
                head.Authority = texts.Authority(value);
                Refuse(!HttpSyntax.IsAuthority(value), ":authority is not a host with or without a port");
                break;
            case 9 when name.SequenceEqual(":protocol"u8):
                Once(_protocol is not null, HttpSyntax.IsToken(value), ":protocol");
                _protocol = Ascii.EqualsIgnoreCase(value, "websocket"u8) ? "websocket" : Encoding.ASCII.GetString(value);
                break;
            default:
                Fields.SetFault("a pseudo-header that requests do not have");
                break;
        }
    }

    private void OnHost(scoped ReadOnlySpan<byte> value)
    {
        if (_host is not null)
        {
            Fields.SetFault("host twice");
        }

        Refuse(!HttpSyntax.IsAuthority(value), "host is not a host with or without a port");
        _host = texts.Authority(value);
    }

    /// <summary>Crumbs of one cookie become one field again (RFC 9113 section 8.2.3), where the first stood if it is alone, else at the end.</summary>
    private void AddCookie(scoped ReadOnlySpan<byte> value)
    {
        if (_cookie < 0)
        {
            _cookie = head.Fields.Count;
            Fields.Add("cookie"u8, value);
            return;
        }

        if (_cookies is null)
        {
            var first = head.Fields[_cookie].Value;
            Append(first);
            head.Fields.RemoveAt(_cookie);
        }

        Append("; "u8);
        Append(value);
    }

    private void Append(scoped ReadOnlySpan<byte> value)
    {
        if (_cookies is null || _cookies.Length - _cookieBytes < value.Length)
        {
            Array.Resize(ref _cookies, Math.Max(1024, 2 * (_cookieBytes + value.Length)));
        }

        value.CopyTo(_cookies.AsSpan(_cookieBytes));
        _cookieBytes += value.Length;
    }

    private readonly void FinishCookies()
    {
        if (_cookies is not null)
        {
            Fields.Add("cookie"u8, _cookies.AsSpan(0, _cookieBytes));
        }
    }

    private void Refuse(bool refused, string why) => _refusal ??= refused ? why : null;

    private void Once(bool seen, bool valid, string name)
    {
        if (seen)
        {
            Fields.SetFault($"{name} twice");
        }
        else if (!valid)
        {
            Fields.SetFault($"{name} is not valid");
        }
    }
}
