using System.Net;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Identity;

namespace Ambient.Node.Requests;

/// <summary>What a <see cref="MeshRequestFilter"/> sees of one request. Valid until the filter's method is done.</summary>
public sealed class MeshRequestContext
{
    private readonly RequestExchange _exchange;
    private MessageExchange? _source;

    internal MeshRequestContext(RequestExchange exchange) => _exchange = exchange;

    /// <summary>
    /// The request's head as it is sent. Fields, authority and target may be changed, and must still make a request; method and framing may not.
    /// </summary>
    public RequestHead Request => _exchange.Head;

    /// <summary>The head of the answer, once there is one. Fields and status (200 to 599) may be changed; framing may not.</summary>
    public ResponseHead Response => _exchange.Server.Response;

    /// <summary>Who sent the request, authenticated; null at a gateway.</summary>
    public SpiffeId? Identity => _exchange.Arrival.Identity;

    /// <summary>Address of the client.</summary>
    public IPEndPoint Source => _exchange.Arrival.Source;

    /// <summary>Address that the request was sent to: the service's and its port at a waypoint, the listener's at a gateway.</summary>
    public IPEndPoint Destination => _exchange.Arrival.Destination;

    /// <summary>Host name of the service that the request is for; null where a workload is addressed.</summary>
    public string? Service => _exchange.BackendService?.Hostname;

    /// <summary>The route and rule that matched; null where none did.</summary>
    public string? Route => _exchange.Route?.Rule;

    /// <summary>A place for what a filter wants to know again when the answer comes. Null at the beginning of each request.</summary>
    public object? State { get; set; }

    internal string? Body { get; private set; }

    internal int Status { get; private set; }

    internal HeldBody? Held { get; private set; }

    /// <summary>Answers the request in place of the endpoint, or in place of its answer. Later filters are not asked.</summary>
    /// <param name="status">200 to 599. A client of gRPC gets the status that stands for it.</param>
    /// <param name="body">Plain text.</param>
    public void Answer(int status, string body = "")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(status, 200);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(status, 599);
        ArgumentNullException.ThrowIfNull(body);
        (Status, Body) = (status, body);
    }

    /// <summary>
    /// Reads the body, of the request or, in <see cref="MeshRequestFilter.OnResponseAsync"/>, of the answer, and holds it. It is sent on all the same,
    /// what was read and what was not. Null: it has more than <paramref name="most"/> bytes.
    /// </summary>
    /// <param name="most">Most bytes to hold: 1 to 16,777,216. A little more may be held when there is more.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="MessageException">The body was broken off.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadBodyAsync(int most, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(most, 16 * 1024 * 1024);
        Held ??= new HeldBody();
        var hasBody = _source is ClientExchange ? Response.HasBody : Request.HasBody;
        
        // Not as one expression: a null would become an empty piece of memory, by way of an array.
        if (await Held.ReadAsync(hasBody ? _source : null, most, room: null, cancellationToken).ConfigureAwait(false))
        {
            return Held.Bytes;
        }

        return null;
    }

    /// <summary>Sends other bytes in place of the body; its length is told anew. What was not read of it is not sent.</summary>
    /// <exception cref="InvalidOperationException">The message can have no body, or the protocol changes with it.</exception>
    public void ReplaceBody(ReadOnlyMemory<byte> body)
    {
        if (_source is ClientExchange)
        {
            if (Response.Upgrade is not null || _exchange.Method == "HEAD" || Response.Status is 204 or 304)
            {
                throw new InvalidOperationException("this answer can have no body");
            }

            (Response.HasBody, Response.ContentLength) = (!body.IsEmpty, body.Length);
        }
        else
        {
            if (Request.Upgrade is not null || Request.ExpectsContinue)
            {
                throw new InvalidOperationException("the body of a request that changes the protocol, or that the client has not sent yet, cannot be replaced");
            }

            (Request.HasBody, Request.ContentLength) = (!body.IsEmpty, body.Length);
        }

        (Held ??= new HeldBody()).Replace(body);
    }

    /// <summary>Begins with the bodies of one side.</summary>
    internal void Begin(MessageExchange source)
    {
        _source = source;
        Held = source is ClientExchange ? null : _exchange.HeldRequest;
        (Status, Body) = (0, null);
    }

    /// <summary>Forgets a request.</summary>
    internal void End()
    {
        State = null;
        _source = null;
        Held = null;
        (Status, Body) = (0, null);
    }
}
