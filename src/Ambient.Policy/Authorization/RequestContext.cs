using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Policy.Authorization;

/// <summary>
/// What matchers look at: a request, or a TCP connection at the same place, which has no HTTP attributes.
/// </summary>
internal readonly ref struct RequestContext
{
    private readonly ref readonly RequestFacts _request;
    private readonly int _forwardedHops;
    private readonly IPAddress _remote;
    private readonly TokenRules? _withoutToken;

    /// <param name="request">The request.</param>
    /// <param name="forwardedHops">Which of the addresses in X-Forwarded-For is the client's, from the right.</param>
    /// <param name="withoutToken">Rules of tokens, to see it as it is before they are looked at: without claims, and without the headers that are made of them.</param>
    internal RequestContext(in RequestFacts request, int forwardedHops, TokenRules? withoutToken = null)
    {
        _withoutToken = withoutToken;
        _request = ref request;
        IsHttp = true;
        Identity = request.Identity;
        Source = PlainAddress.Of(request.Source.Address);
        Destination = PlainAddress.Of(request.Destination.Address);
        Port = request.Destination.Port;

        // A request that can be read was not inside TLS of the client's own, unless the proxy ended it and says so.
        ServerName = request.ServerName ?? "";
        _forwardedHops = forwardedHops;
        _remote = request.Remote is { } remote ? PlainAddress.Of(remote.Address) : Source;
    }

    internal RequestContext(in ConnectionFacts connection, string? serverName)
    {
        Identity = connection.Identity;
        Source = PlainAddress.Of(connection.Source.Address);
        Destination = PlainAddress.Of(connection.Destination.Address);
        Port = connection.Destination.Port;
        ServerName = serverName;
        _remote = connection.Remote is { } remote ? PlainAddress.Of(remote.Address) : Source;
    }

    internal bool IsHttp { get; }

    internal SpiffeId? Identity { get; }

    internal IPAddress Source { get; }

    internal IPAddress Destination { get; }

    internal int Port { get; }

    /// <summary>Server name of the client's TLS; empty where there is known to be none, null where it is not known.</summary>
    internal string? ServerName { get; }

    internal string Method => _request.Method;

    internal string Host => _request.Host;

    internal string Path => _request.Path;

    /// <summary>What a verified token says; null where there is none.</summary>
    internal TokenClaims? Claims => _withoutToken is null ? _request.Claims : null;

    /// <summary>The client's address: the one that the proxies in front of us, as many as are trusted, have put into X-Forwarded-For; else what the PROXY protocol says, or the peer's.</summary>
    internal IPAddress Remote => IsHttp && _forwardedHops > 0 && ForwardedFor.Find(_request.Header("x-forwarded-for"), _forwardedHops) is { } address
        ? PlainAddress.Of(address)
        : _remote;

    /// <summary>The value of a header; HTTP/2's names of host and method mean these in either version.</summary>
    internal string? Header(string name) => name switch
    {
        ":authority" => _request.Host,
        ":method" => _request.Method,
        ":scheme" => _request.Scheme,
        ":path" => _request.Query.Length == 0 ? _request.Path : string.Concat(_request.Path, "?", _request.Query),
        _ => _withoutToken?.Writes(name) == true ? null : _request.Header(name),
    };
}
