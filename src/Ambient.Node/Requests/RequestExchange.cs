using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests;

/// <summary>
/// One request on its way through the pipeline: what came in, what was decided, and how it ended. State alone; what is done to it is in the stages.
/// Kept with the server's own object and used again, so that a kept-alive connection allocates none of it anew.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Lives as long as the server's exchange, which is never disposed; the source has no timer and no link.")]
internal sealed class RequestExchange : IConnectionGround, ICheckOwner
{
    private static readonly Action<ServerExchange> s_onGone = static server => ((RequestExchange)server.HandlerState!).BreakUpstream(MessageFault.ClientGone);

    private static readonly Action<ServerExchange> s_onStalled = static server => ((RequestExchange)server.HandlerState!).BreakUpstream(MessageFault.TimedOut);

    private readonly IRequestEntrance _entrance;
    private readonly Action _abort;
    private readonly Func<string, string?> _header;
    private readonly Func<string, string?> _judgedHeader;
    private readonly RequestHead _judged = new();
    private readonly Lock _gate = new();
    private ClientExchange? _upstream;
    private volatile MessageFault _brokenBy;
    private volatile MessageFault _tryBrokenBy;
    private BodyRecord? _record;
    private CancellationTokenSource? _waiting;
    private CancellationTokenSource? _patience;
    private bool _waitEndsWithTry;
    private CancellationTokenSource? _sending;
    private RequestArrival _arrival;
    private RequestPath _path;
    private RequestHead? _question;
    private RequestHead? _asItCame;
    private RouteFacts? _routedAsItCame;
    private RequestAffinity _affinity;
    private UpstreamEndpoint? _addressed;
    private bool _isRetried;
    private bool _isJudged;
    private GrpcMessages _requestMessages;
    private GrpcMessages _responseMessages;

    // One more than what a line of the log has of a text; a client may send far more than that.
    private const int MaxRequestId = 1025;

    // What a connection may keep of its last request's target; codecs keep no longer one either.
    private const int MaxKeptTarget = 256;
    private byte[] _requestId = [];
    private int _requestIdLength;
    private string? _target;
    private PathNormalization _normalization;
    private RequestPath _targetPath;

    /// <summary>Creates the state that goes with a server's exchange.</summary>
    public RequestExchange(RequestServices services, ServerExchange server)
    {
        Services = services;
        Server = server;
        _entrance = services.Entrance;
        _abort = Abort;
        _header = name => Server.Request.Get(name);
        _judgedHeader = name => _judged.Get(name);
        Open = new OpenRequest(services.Connections, this);
    }

    /// <summary>What it shares with others.</summary>
    public RequestServices Services { get; }

    /// <summary>The request and the response to it, as the server sees them.</summary>
    public ServerExchange Server { get; }

    /// <summary>The request's head: as it came until it was let in, and from there on as it is sent.</summary>
    public RequestHead Head => Server.Request;

    /// <summary>The request in the table of what is open.</summary>
    public OpenRequest Open { get; }

    /// <summary>Where the request came in, and from whom.</summary>
    public ref readonly RequestArrival Arrival => ref _arrival;

    /// <summary>Path and query.</summary>
    public ref RequestPath Path => ref _path;

    /// <summary>The method that policies and routes are asked about.</summary>
    public string Method { get; private set; } = "";

    /// <summary>
    /// The host that policies and routes are asked about, and that is sent on. Empty: there is none.
    /// </summary>
    public string Host { get; set; } = "";

    /// <summary>Whether the client speaks gRPC.</summary>
    public bool IsGrpc { get; private set; }

    /// <summary>What came of the request's tokens, once asked; null where nobody asks, or it has none.</summary>
    public AuthenticationDecision? Authentication { get; set; }

    /// <summary>What the request's token says; null where it has none that was verified.</summary>
    public TokenClaims? Claims => Authentication?.Claims;

    /// <summary>What policy said, once asked.</summary>
    public AuthorizationDecision? Authorization { get; set; }

    /// <summary>What policies that decide nothing said, once asked.</summary>
    public ImmutableArray<PolicyNote> PolicyNotes { get; set; } = [];

    /// <summary>The external authorizer that has let the request in; null: none was asked.</summary>
    public ExternalAuthorizer? LetInBy { get; set; }

    /// <summary>The policies whose CUSTOM ones were asked about it; null: none were.</summary>
    public RequestPolicies? Questioned { get; set; }

    /// <summary>What the external authorizer changes of the answer.</summary>
    public ImmutableArray<HeaderEdit> ResponseEdits { get; set; } = [];

    /// <inheritdoc/>
    public RequestHead QuestionHead => _question ??= new RequestHead();

    /// <summary>Which route was taken, once known.</summary>
    public RequestRoute? Route { get; set; }

    /// <summary>The service that the request is for after routing; null when a workload is addressed.</summary>
    public MeshService? BackendService { get; set; }

    /// <summary>Port of <see cref="BackendService"/>.</summary>
    public int BackendPort { get; set; }

    /// <summary>The backend that its tries go to; null before it is looked for, and where a workload or a waypoint is addressed.</summary>
    public BackendView? Backend { get; private set; }

    /// <summary>What binds it to an endpoint.</summary>
    public ref readonly RequestAffinity Affinity => ref _affinity;

    /// <summary>Whether it is refused because there are too many.</summary>
    public bool IsOverloaded { get; set; }

    /// <summary>Where the last try went, or null before the first.</summary>
    public UpstreamEndpoint? Endpoint { get; private set; }

    /// <summary>Tries so far.</summary>
    public int Attempts { get; private set; }

    /// <summary>Workloads that could not be reached.</summary>
    public List<Workload> Failed { get; } = [];

    /// <summary>What an embedder's filters see; null before the first request that they look at.</summary>
    public MeshRequestContext? Context { get; set; }

    /// <summary>The permission of the page's origin to read the answer; null: nothing is said about it.</summary>
    public CorsGrant? Cors { get; set; }

    /// <summary>What has been sent of the request's body; null: it is not kept.</summary>
    public BodyRecord? Sent { get; private set; }

    /// <summary>What filters hold of the request's body; null: nothing.</summary>
    public HeldBody? HeldRequest { get; set; }

    /// <summary>What filters hold of the answer's body; null: nothing.</summary>
    public HeldBody? HeldResponse { get; set; }

    /// <summary>Status of the answer; 0 while there is none.</summary>
    public int Status { get; set; }

    /// <summary>Short names of why it ended as it did; see <see cref="ResponseFlags"/>.</summary>
    public string Flags { get; set; } = ResponseFlags.None;

    /// <summary>Why it failed, in words; null when it did not.</summary>
    public string? Error { get; set; }

    /// <summary>The request id that is sent on, as it is in its header; empty when there is none.</summary>
    public ReadOnlySpan<byte> RequestId => _requestId.AsSpan(0, _requestIdLength);

    /// <summary>Its trace; null where nobody wants it.</summary>
    public RequestTrace? Trace { get; set; }

    /// <summary>Messages of the client's, where it speaks gRPC.</summary>
    public ref GrpcMessages RequestMessages => ref _requestMessages;

    /// <summary>Messages of the answer, where the client speaks gRPC.</summary>
    public ref GrpcMessages ResponseMessages => ref _responseMessages;

    /// <summary>The key of the client's WebSocket handshake, once it was taken out of the head; null: it was not.</summary>
    public string? SocketKey { get; set; }

    /// <summary>gRPC status of the answer, or null.</summary>
    public string? GrpcStatus { get; set; }

    /// <summary>What the last access line said of those who are still the same.</summary>
    public RequestLogParts LogParts { get; } = new();

    /// <summary>Where the last one was counted.</summary>
    public RequestMetrics.LastSeries LastSeries { get; } = new();

    /// <summary>Timestamp of the beginning.</summary>
    public long Started { get; private set; }

    /// <summary>The thread that it came on, and is carried by.</summary>
    public HboneThread Thread { get; private set; }

    /// <summary>Headers that the proxy sets where it came to.</summary>
    public ProxyHeaders ProxyHeaders => Arrival.Place?.Headers ?? ProxyHeaders.Default;

    /// <summary>What its rule asks besides.</summary>
    public RoutePlan Plan => Route?.Plan ?? RoutePlan.Default;

    /// <summary>When it is sent again: as its rule says, or else the mesh.</summary>
    public RetryRule Retry => Plan.Retry ?? Arrival.Place?.Mesh.Requests.DefaultRetry ?? RetryRule.Default;

    /// <summary>Time for one try; null: as long as the whole.</summary>
    public TimeSpan? TryTimeout => Plan.TryTimeout ?? (Plan.Retry is null ? Arrival.Place?.Mesh.Requests.DefaultTryTimeout : null);

    /// <summary>Who gets a copy of it.</summary>
    public ReadOnlySpan<RouteMirror> Mirrors => Route is { } route ? route.Mirrors.AsSpan() : default;

    /// <summary>Whether its copies are on their way.</summary>
    public bool IsMirrored { get; set; }

    /// <summary>Whether something of its body was taken from the client, and is not kept to be sent again.</summary>
    public bool IsBodyLost => Sent is { } sent ? sent.IsLost : Server.BytesReceived > 0 && Head.HasBody && HeldRequest is not { IsWhole: true };

    /// <summary>Cancelled when the request's body need not be sent any further.</summary>
    public CancellationToken Sending => (_sending ??= new CancellationTokenSource()).Token;

    /// <summary>Takes up a new request.</summary>
    public void Begin()
    {
        Started = Services.Time.GetTimestamp();
        Thread = HboneThread.Current;
        Method = Head.Method;
        IsGrpc = LocalReply.IsGrpc(Head.Fields);
        Server.OnGone = s_onGone;
        Server.OnStalled = s_onStalled;
        Open.Begin(_abort);
    }

    /// <summary>It is known where it came in, and from whom.</summary>
    public void Arrived() => _arrival = _entrance.Arrive(Server.ConnectionState);

    /// <summary>Lets go of the request, ready for the next.</summary>
    public void End()
    {
        Open.Close();

        // Without the lock: the upstream and the wait, which whoever breaks the request off would reach by it, were taken away under it.
        _brokenBy = _tryBrokenBy = MessageFault.None;

        if (_sending is { IsCancellationRequested: true })
        {
            _sending = null;
        }

        _arrival = default;
        Method = Host = "";
        _path = default;
        IsGrpc = false;
        Authentication = null;
        Authorization = null;
        PolicyNotes = [];
        LetInBy = null;
        Questioned = null;
        ResponseEdits = [];
        _routedAsItCame = null;
        Route = null;
        BackendService = null;
        BackendPort = 0;
        Backend = null;
        _affinity = default;
        _isRetried = _isJudged = false;
        IsOverloaded = false;
        Endpoint = null;
        Attempts = 0;
        Failed.Clear();
        Context?.End();
        HeldRequest?.Release();
        HeldRequest = HeldResponse = null;
        Cors = null;
        IsMirrored = false;
        Sent?.Clear();
        Sent = null;
        Status = 0;
        Flags = ResponseFlags.None;
        Error = null;
        GrpcStatus = null;
        _requestIdLength = 0;
        SocketKey = null;
        Trace = null;
        _requestMessages = _responseMessages = default;
    }

    /// <summary>Reads <see cref="Path"/> from the head's target; the one of the request before, where it is the same. False: it has no path.</summary>
    public bool TryReadPath(PathNormalization normalization)
    {
        var target = Head.Target;
        if (ReferenceEquals(target, _target) && normalization == _normalization)
        {
            _path = _targetPath;
            return true;
        }

        if (!RequestPath.TryParse(target, out _path, normalization))
        {
            return false;
        }

        if (target.Length <= MaxKeptTarget)
        {
            (_target, _targetPath, _normalization) = (target, _path, normalization);
        }

        return true;
    }

    /// <summary>Keeps the request id that the head has now, whatever a route makes of the header.</summary>
    public void NoteRequestId()
    {
        if (!Head.Fields.TryGet(HeaderRules.RequestId, out var id))
        {
            id = default;
        }

        id = id.Length > MaxRequestId ? id[..MaxRequestId] : id;
        if (_requestId.Length < id.Length)
        {
            _requestId = new byte[id.Length];
        }

        id.CopyTo(_requestId);
        _requestIdLength = id.Length;
    }

    /// <summary>The value of a header of the request, as policies and routes ask for it.</summary>
    public Func<string, string?> Header => _header;

    /// <summary>What policies are asked about the request.</summary>
    public RequestFacts PolicyFacts => Facts(_header);

    /// <summary>What routes are asked about the request.</summary>
    public RouteFacts RouteFacts => RouteFactsOf(_header, Claims);

    /// <summary>Routes are asked about the request as it is now, whatever is changed of it later.</summary>
    public void RouteAsItIs()
    {
        var head = _asItCame ??= new RequestHead();
        head.CopyFrom(Head);
        _routedAsItCame = HeadFactsOf(head.Get);
    }

    /// <summary>Policies were asked about the request as it is: that is what they are asked about again, whatever is changed of it later.</summary>
    public void Judged()
    {
        if (!_isJudged)
        {
            _judged.CopyFrom(Head);
            _isJudged = true;
        }
    }

    /// <summary>
    /// The request was judged: whatever asks again is asked about it as it came, while it is edited. False when the mesh has changed and objects.
    /// </summary>
    public bool Admit()
    {
        Judged();
        return Open.Admit(Services.Meshes);
    }

    /// <inheritdoc/>
    public ConnectionObjection? ObjectionIn(MeshSnapshot mesh)
    {
        if (_entrance.Find(Arrival) is not { } place)
        {
            return new ConnectionObjection(ConnectionEnd.Rebound, "the service or gateway is no longer in the mesh, or no longer bound to this waypoint");
        }

        // What a token says counts as long as the rule that vouched for it.
        var claims = Claims is { } said && place.Policies.Tokens.Has(said.Rule) ? said : null;
        if (RequestAuthorizer.Authorize(place.Policies, Facts(_judgedHeader) with { Claims = claims }) is { IsAllowed: false } decision)
        {
            return new ConnectionObjection(ConnectionEnd.PolicyChange, decision.ToString());
        }

        return BackendService is { } service && place.Routes?.Refusal(RouteFactsOf(_judgedHeader, claims), service, BackendPort, Route?.Authorizers ?? []) is { } refusal
            ? new ConnectionObjection(ConnectionEnd.PolicyChange, refusal)
            : null;
    }

    /// <summary>Looks for its backend and counts it in there; false: there are as many requests as there may be.</summary>
    public bool TryEnter(Backends backends)
    {
        if (BackendService is not { } service || (Arrival.IsIngress && EndpointChoice.UsesWaypoint(service)))
        {
            return true;
        }

        var view = backends.Find(Arrival.Place!.Mesh, Arrival.Self!, service, BackendPort, Route?.Subset);
        if (!view.Backend.TryBegin(view))
        {
            return false;
        }

        Backend = view;
        if (RequestAffinity.IsAsked(this, view))
        {
            _affinity = RequestAffinity.Of(this, view);
        }

        return true;
    }

    /// <summary>Counts it out of its backend.</summary>
    public void Leave() => Backend?.Backend.End(_isRetried);

    /// <summary>Counts it as one that is sent again, from here to its end; false: too many are already.</summary>
    public bool TryRetry()
    {
        if (Backend is not { } view || _isRetried)
        {
            return true;
        }

        _isRetried = view.Backend.TryRetry(view);
        if (!_isRetried)
        {
            Flags = ResponseFlags.UpstreamOverflow;
        }

        return _isRetried;
    }

    /// <summary>The endpoint for the next try, not one of those that failed while there is another; null when there is none.</summary>
    public UpstreamEndpoint? ChooseEndpoint()
    {
        // What a client outside speaks says nothing of what a port speaks that declares nothing; gRPC is HTTP/2 everywhere.
        var http2 = Head.Version == HttpProtocolVersion.Http2 && (!Arrival.IsIngress || IsGrpc);

        // Who is left out is seen anew by each try.
        var endpoint = Backend is { Backend.Current: var view } ? EndpointChoice.ForBackend(view!, Arrival.Destination, http2, _affinity.Hash, _affinity.Pinned, Failed, Arrival.IsIngress ? null : Head.Authority, Arrival.Source, elsewhere: Failed.Count > 0 && Retry.PrefersOtherLocalities)
            : BackendService is { } service ? EndpointChoice.ForWaypoint(Arrival.Place!.Mesh, Arrival.Self!, service, BackendPort, http2)
            : Addressed(http2);
        return Certified(endpoint);
    }

    /// <summary>The workload that was addressed itself; the object of the request before, where that was for the same.</summary>
    private UpstreamEndpoint Addressed(bool http2)
    {
        if (_addressed is not { } known || !ReferenceEquals(known.Workload, Arrival.Workload) || !known.Address.Equals(Arrival.Destination) || known.Http2 != http2)
        {
            _addressed = known = EndpointChoice.ForWorkload(Arrival.Workload!, Arrival.Destination, http2);
        }

        return known;
    }

    /// <summary>An endpoint with the certificate that is shown there.</summary>
    public UpstreamEndpoint? Certified(UpstreamEndpoint? endpoint) => endpoint?.Certified(Arrival.BackendCertificate);

    /// <summary>A try begins.</summary>
    public void Try(UpstreamEndpoint endpoint)
    {
        Endpoint = endpoint;
        if (Attempts++ == 0)
        {
            // A try's time begins with it: nothing can have ended one before the first.
            return;
        }

        lock (_gate)
        {
            _tryBrokenBy = MessageFault.None;
        }
    }

    /// <summary>Sends by an upstream exchange from here on. What ends the request breaks it off, at once where that has happened already.</summary>
    public void Attach(ClientExchange upstream)
    {
        // Whoever breaks the request off notes that first and looks for the upstream then; here it is the other way round, so that one of the two sees the
        // other. Both may, and break it off twice, which does no harm.
        Interlocked.Exchange(ref _upstream, upstream);
        var brokenBy = _brokenBy != MessageFault.None ? _brokenBy : _tryBrokenBy;
        if (brokenBy != MessageFault.None)
        {
            upstream.Abort(brokenBy);
        }
    }

    /// <summary>The upstream exchange is about to be given back: nothing breaks it off any more.</summary>
    public void Detach()
    {
        lock (_gate)
        {
            _upstream = null;
        }
    }

    /// <summary>Keeps what is sent of the request's body from here on, so that it can be sent again.</summary>
    public void KeepBody() => Sent = _record ??= new BodyRecord();

    /// <summary>Whatever of the request's body is still to come is not sent any more.</summary>
    public void StopSending() => _sending?.Cancel();

    /// <summary>A try is over: the next one sends anew.</summary>
    public void ResumeSending()
    {
        if (_sending is { IsCancellationRequested: true })
        {
            _sending = null;
        }
    }

    /// <summary>Waits; not any longer when the client leaves, or the request is ended.</summary>
    /// <exception cref="MessageException">The request is over.</exception>
    public async ValueTask WaitAsync(TimeSpan time)
    {
        var ended = BeginWait(endsWithTry: false);
        try
        {
            await Task.Delay(time, Services.Time, ended).ConfigureAwait(false);
            await Thread.ReturnAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            // Whoever ended the wait did so elsewhere.
            await Thread.ReturnAsync().ConfigureAwait(false);
            throw new MessageException(BrokenBy, "the request ended while it was held back", e);
        }
        finally
        {
            EndWait();
        }
    }

    /// <summary>Breaks off what is under way of the request, which may be tried again unless <paramref name="isLast"/>.</summary>
    public void EndTry(MessageFault fault, bool isLast)
    {
        lock (_gate)
        {
            if (isLast && _brokenBy == MessageFault.None)
            {
                _brokenBy = fault;
            }

            // Kept for a connection that the try comes to have just now.
            _tryBrokenBy = fault;
            StopWaiting(isLast);
            Interlocked.MemoryBarrier();
            _upstream?.Abort(fault);
        }
    }

    /// <summary>Waits for a turn on a connection; not any longer when the try, or the request, is ended.</summary>
    /// <param name="upstream">Whose connections.</param>
    /// <param name="onNew">Whether the connection must not have been there before.</param>
    /// <exception cref="MessageException">It was ended.</exception>
    /// <exception cref="UpstreamConnectException">There is none.</exception>
    /// <exception cref="UpstreamOverflowException">Too many wait already.</exception>
    public ValueTask<UpstreamTurn> BeginWithinAsync(Upstream upstream, bool onNew)
    {
        // Mostly there is a connection that is free, and nobody has to wait for anything. Whoever ends the request meanwhile finds it once it is attached.
        return !onNew && _brokenBy == MessageFault.None && _tryBrokenBy == MessageFault.None && upstream.TryBegin(out var turn)
            ? new ValueTask<UpstreamTurn>(turn)
            : BeginSlowlyAsync(upstream, onNew);
    }

    private async ValueTask<UpstreamTurn> BeginSlowlyAsync(Upstream upstream, bool onNew)
    {
        var ended = BeginWait(endsWithTry: true);
        try
        {
            var begun = upstream.BeginAsync(onNew, ended);
            if (begun.IsCompleted)
            {
                return await begun.ConfigureAwait(false);
            }

            var turn = await begun.ConfigureAwait(false);
            await Thread.ReturnAsync().ConfigureAwait(false);
            return turn;
        }
        catch (Exception e) when (e is OperationCanceledException or UpstreamConnectException or UpstreamOverflowException)
        {
            // Whatever ended the wait did so elsewhere, and the answer is sent from here.
            await Thread.ReturnAsync().ConfigureAwait(false);
            if (ended.IsCancellationRequested && e is OperationCanceledException or UpstreamConnectException { IsForRoom: true })
            {
                throw new MessageException(BrokenBy, "the time for it ran out", e);
            }

            throw;
        }
        finally
        {
            EndWait();
        }
    }

    private MessageFault BrokenBy
    {
        get
        {
            lock (_gate)
            {
                return _brokenBy != MessageFault.None ? _brokenBy : _tryBrokenBy;
            }
        }
    }

    /// <summary>What ends a wait that begins now. One at a time.</summary>
    private CancellationToken BeginWait(bool endsWithTry)
    {
        lock (_gate)
        {
            var brokenBy = _brokenBy == MessageFault.None && endsWithTry ? _tryBrokenBy : _brokenBy;
            if (brokenBy != MessageFault.None)
            {
                throw new MessageException(brokenBy, "the request is over");
            }

            if (_patience is not { IsCancellationRequested: false })
            {
                _patience = new CancellationTokenSource();
            }

            (_waiting, _waitEndsWithTry) = (_patience, endsWithTry);
            return _patience.Token;
        }
    }

    private void EndWait()
    {
        lock (_gate)
        {
            _waiting = null;
        }
    }

    /// <summary>Under the lock: whoever waits goes on, but not here.</summary>
    private void StopWaiting(bool isLast)
    {
        if (_waiting is { } waiting && (isLast || _waitEndsWithTry))
        {
            _ = waiting.CancelAsync();
        }
    }

    private void Abort()
    {
        Server.Abort(MessageFault.Aborted);
        BreakUpstream(MessageFault.Aborted);
    }

    private void BreakUpstream(MessageFault fault)
    {
        lock (_gate)
        {
            _brokenBy = fault;
            StopWaiting(isLast: true);
            Interlocked.MemoryBarrier();

            // Under the lock: once it is given back it may stand for somebody else's request. Whoever waits for it goes on elsewhere.
            _upstream?.Abort(fault);
        }
    }

    private RequestFacts Facts(Func<string, string?> header) => new()
    {
        Identity = Arrival.Identity,
        Source = Arrival.Peer ?? Arrival.Source,
        Remote = Arrival.Peer is null ? null : Arrival.Source,
        Destination = Arrival.Destination,
        Method = Method,
        Host = Host,
        Scheme = Arrival.Scheme,
        Path = _path.Path,
        Query = _path.Query,
        Header = header,
        Claims = Claims,
        LetInBy = LetInBy,
        Questioned = Questioned,
        ServerName = Arrival.ServerName,
    };

    // A token is verified after an external authorizer was asked, whatever routes see of the request. In the mesh they are not asked about it, as with the original.
    private RouteFacts RouteFactsOf(Func<string, string?> header, TokenClaims? claims)
    {
        claims = Arrival.IsIngress ? claims : null;
        return _routedAsItCame is { } asItCame ? asItCame with { Claims = claims } : HeadFactsOf(header, claims);
    }

    private RouteFacts HeadFactsOf(Func<string, string?> header, TokenClaims? claims = null) => new(Arrival.Destination.Port, Host, Method, _path.Path, _path.Query, header)
    {
        Scheme = Arrival.Scheme,
        CallerNamespace = Arrival.Identity?.Namespace,
        ServerName = Arrival.ServerName,
        Claims = claims,
    };
}
