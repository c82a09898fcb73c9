using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>
/// Reads header blocks of CONNECT requests and of their answers, and says what is wrong with those that are not
/// (RFC 9113 sections 8.1 to 8.5). A block is always decoded to its end, since the HPACK tables of both sides must
/// stay equal, whatever becomes of its stream. One per connection; belongs to its read loop.
/// </summary>
/// <param name="decoder">Decoder of the connection.</param>
/// <param name="maxHeaderListSize">The SETTINGS_MAX_HEADER_LIST_SIZE that we advertise.</param>
internal sealed class ConnectHeaderReader(HPackDecoder decoder, int maxHeaderListSize)
{
    // Streams of one connection mostly repeat these: the string of the last one serves again.
    // What W3C Baggage 3.3.2 asks to be passed on at least, and more than any of the others needs.
    private const int MaxKept = 8192;

    private string? _lastAuthority;
    private string? _lastBaggage;

    /// <summary>Reads a request.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">
    /// The request is malformed (reset alone), too large (431), not a CONNECT or without an authority (400).
    /// </exception>
    public ConnectRequestHeaders ReadRequest(int streamId, ReadOnlySpan<byte> block)
    {
        var sink = new RequestSink { Common = new CommonSink(maxHeaderListSize, _lastBaggage), LastAuthority = _lastAuthority };
        decoder.Decode(block, ref sink);
        if (sink.Common.TooLarge)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.NoError, $"header list of more than {maxHeaderListSize} bytes", 431);
        }

        if (sink.Fault() is { } fault)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.ProtocolError, $"malformed request: {fault}");
        }

        if (!sink.IsConnect)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.NoError, $"method {sink.Method}: only CONNECT is served", 400);
        }

        if (sink.Authority is null)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.NoError, "CONNECT without :authority", 400);
        }

        _lastAuthority = sink.Authority;
        _lastBaggage = sink.Common.Baggage ?? _lastBaggage;
        return new ConnectRequestHeaders
        {
            Authority = sink.Authority,
            Baggage = sink.Common.Baggage,
            Forwarded = sink.Forwarded,
            TraceParent = sink.TraceParent,
            ForwardedNetwork = sink.ForwardedNetwork,
            RequestSource = sink.RequestSource,
        };
    }

    /// <summary>Reads an answer.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    /// <exception cref="Http2StreamException">The answer is malformed or too large.</exception>
    public ConnectResponseHeaders ReadResponse(int streamId, ReadOnlySpan<byte> block)
    {
        var sink = new ResponseSink { Common = new CommonSink(maxHeaderListSize, _lastBaggage) };
        decoder.Decode(block, ref sink);
        var fault = sink.Common.TooLarge ? $"header list of more than {maxHeaderListSize} bytes" : sink.Fault();
        if (fault is not null)
        {
            throw new Http2StreamException(streamId, Http2ErrorCode.ProtocolError, $"malformed response: {fault}");
        }

        _lastBaggage = sink.Common.Baggage ?? _lastBaggage;
        return new ConnectResponseHeaders(sink.Status, sink.Common.Baggage);
    }

    /// <summary>Decodes a block that nobody wants, for the tables' sake.</summary>
    /// <exception cref="Http2ConnectionException">The block cannot be decoded.</exception>
    public void Skip(ReadOnlySpan<byte> block)
    {
        var sink = default(NoSink);
        decoder.Decode(block, ref sink);
    }

    private static string Reuse(string? last, ReadOnlySpan<byte> value) =>
        last is not null && Ascii.Equals(value, last) ? last : Encoding.UTF8.GetString(value);

    private struct NoSink : IHeaderSink
    {
        public readonly void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
        }
    }

    /// <summary>A header that a tunnel keeps; one that is longer than any real one is passed over.</summary>
    private static string? Kept(scoped ReadOnlySpan<byte> value) => value.Length <= MaxKept ? Encoding.UTF8.GetString(value) : null;

    /// <summary>What requests and answers have in common: limits, well-formedness, baggage.</summary>
    private struct CommonSink(int limit, string? lastBaggage)
    {
        private int _size;
        private int _baggageBytes;
        private bool _regular;

        public string? Fault { get; private set; }

        public string? Baggage { get; private set; }

        public readonly bool TooLarge => _size > limit;

        /// <summary>Counts and checks one header; false when there is nothing more to do with it.</summary>
        public bool Accept(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, out bool pseudo)
        {
            pseudo = !name.IsEmpty && name[0] == (byte)':';

            // Past the limit nothing is kept, and the count stays where it is rather than overflow.
            _size = TooLarge ? _size : _size + HeaderListSize.Of(name, value);
            if (TooLarge || Fault is not null)
            {
                return false;
            }

            Fault = HeaderRules.FaultOf(name, value, pseudo, afterRegular: _regular);
            _regular |= !pseudo;
            return Fault is null;
        }

        public void SetFault(string fault) => Fault ??= fault;

        /// <summary>Keeps whole entries up to <see cref="MaxKept"/> bytes; a tunnel holds them as long as it lives, and the peer says how many there are.</summary>
        public void AddBaggage(scoped ReadOnlySpan<byte> value)
        {
            var room = MaxKept - _baggageBytes;
            if (value.Length > room)
            {
                var last = room <= 0 ? -1 : value[..(room + 1)].LastIndexOf((byte)',');
                value = last < 0 ? [] : value[..last];
            }

            if (!value.IsEmpty || Baggage is null)
            {
                _baggageBytes += value.Length + 1;
                Baggage = Baggage is null ? Reuse(lastBaggage, value) : $"{Baggage},{Encoding.UTF8.GetString(value)}";
            }
        }
    }

    private struct RequestSink : IHeaderSink
    {
        public CommonSink Common;
        public string? LastAuthority;
        private bool _method;
        private bool _scheme;
        private bool _path;

        public bool IsConnect { get; private set; }

        /// <summary>Method, when it is not CONNECT.</summary>
        public string? Method { get; private set; }

        public string? Authority { get; private set; }

        public string? Forwarded { get; private set; }

        public string? TraceParent { get; private set; }

        public string? ForwardedNetwork { get; private set; }

        public string? RequestSource { get; private set; }

        public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            if (!Common.Accept(name, value, out var pseudo))
            {
                return;
            }

            if (pseudo)
            {
                OnPseudoHeader(name, value);
            }
            else if (name.SequenceEqual("baggage"u8))
            {
                Common.AddBaggage(value);
            }
            else if (name.SequenceEqual("forwarded"u8))
            {
                Forwarded ??= Kept(value);
            }
            else if (name.SequenceEqual("traceparent"u8))
            {
                TraceParent ??= Kept(value);
            }
            else if (name.SequenceEqual("x-forwarded-network"u8))
            {
                ForwardedNetwork ??= Kept(value);
            }
            else if (name.SequenceEqual("x-istio-source"u8))
            {
                RequestSource ??= Kept(value);
            }
        }

        public readonly string? Fault()
        {
            if (Common.Fault is { } fault)
            {
                return fault;
            }

            if (!_method)
            {
                return "no :method";
            }

            // A CONNECT has neither (RFC 9113 section 8.5), anything else has both (section 8.3.1).
            return IsConnect
                ? _scheme || _path ? "CONNECT with :scheme or :path" : null
                : !_scheme || !_path ? "no :scheme or no :path" : null;
        }

        private void OnPseudoHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            switch (name.Length)
            {
                case 7 when name.SequenceEqual(":method"u8):
                    Once(ref _method, HttpSyntax.IsToken(value), ":method");
                    IsConnect = value.SequenceEqual("CONNECT"u8);
                    Method = IsConnect ? null : Encoding.ASCII.GetString(value);
                    break;
                case 10 when name.SequenceEqual(":authority"u8):
                    var again = Authority is not null;
                    Once(ref again, HeaderRules.IsAuthority(value), ":authority");
                    Authority = Reuse(LastAuthority, value);
                    break;
                case 7 when name.SequenceEqual(":scheme"u8):
                    Once(ref _scheme, !value.IsEmpty, ":scheme");
                    break;
                case 5 when name.SequenceEqual(":path"u8):
                    Once(ref _path, !value.IsEmpty, ":path");
                    break;
                default:
                    // :protocol too: extended CONNECT is not offered (RFC 8441 section 3).
                    Common.SetFault("a pseudo-header that requests do not have");
                    break;
            }
        }

        private void Once(ref bool seen, bool valid, string name)
        {
            if (seen)
            {
                Common.SetFault($"{name} twice");
            }
            else if (!valid)
            {
                Common.SetFault($"{name} is not valid");
            }

            seen = true;
        }
    }

    private struct ResponseSink : IHeaderSink
    {
        public CommonSink Common;

        public int Status { get; private set; }

        public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            if (!Common.Accept(name, value, out var pseudo))
            {
                return;
            }

            if (pseudo)
            {
                OnPseudoHeader(name, value);
            }
            else if (name.SequenceEqual("baggage"u8))
            {
                Common.AddBaggage(value);
            }
        }

        public readonly string? Fault() => Common.Fault ?? (Status == 0 ? "no :status" : null);

        private void OnPseudoHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            if (!name.SequenceEqual(":status"u8))
            {
                Common.SetFault("a pseudo-header that responses do not have");
            }
            else if (Status != 0)
            {
                Common.SetFault(":status twice");
            }
            else if (value.Length != 3 || value.ContainsAnyExceptInRange((byte)'0', (byte)'9') || value[0] == (byte)'0')
            {
                Common.SetFault(":status is not a number of three digits");
            }
            else
            {
                Status = ((value[0] - '0') * 100) + ((value[1] - '0') * 10) + (value[2] - '0');
            }
        }
    }
}
