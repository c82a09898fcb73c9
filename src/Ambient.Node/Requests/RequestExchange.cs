using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace Ambient.Node.Requests;

/// <summary>
/// One request on its way through the pipeline: what came in, what was decided, and how it ended. Pooled with Kestrel's
/// own request object, so a kept-alive connection allocates none of it again. Also the transformer that copies headers
/// both ways, because those need the same state.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Lives as long as Kestrel's request object, which is never disposed; what it holds owns nothing but memory.")]
internal sealed class RequestExchange : HttpTransformer, IConnectionGround
{
    // Any absolute URI will do: the upstream's connect callback knows where to dial, and Host is sent as the client wrote it.
    private const string TargetPrefix = "http://upstream";
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    private readonly DefaultHttpContext _http = new(EmptyFeatures);
    private readonly IRequestEntrance _entrance;
    private readonly HeaderRules _rules;
    private IHeaderDictionary _headers = new HeaderDictionary();
    private RequestPath _path;
    private CountingStream? _requestBody;
    private CountingStream? _responseBody;
    private long? _responseLength;

    private static FeatureCollection EmptyFeatures => new();

    /// <summary>Creates an exchange for a server whose requests come in by <paramref name="entrance"/>.</summary>
    public RequestExchange(IRequestEntrance entrance, UpstreamPool upstreams, ConnectionTable connections, RequestLog log, TimeProvider time)
    {
        _entrance = entrance;
        _rules = entrance.Headers;
        Time = time;
        Open = new OpenRequest(connections, this);
        Header = GetHeader;
        Attempts = new UpstreamAttempts(this, upstreams, log, time);
        Invoker = new HttpMessageInvoker(Attempts, disposeHandler: false);
    }

    /// <summary>The request and its answer.</summary>
    public HttpContext Http => _http;

    /// <summary>Clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The value of a request header, several joined with a comma, or null.</summary>
    public Func<string, string?> Header { get; }

    /// <summary>The request in the table of what is open.</summary>
    public OpenRequest Open { get; }

    /// <summary>Sends the request upstream, trying again where that is safe.</summary>
    public UpstreamAttempts Attempts { get; }

    /// <summary><see cref="Attempts"/> as the forwarder wants it.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>Where the request came in, and from whom.</summary>
    public RequestArrival Arrival { get; set; }

    /// <summary>Path and query.</summary>
    public ref RequestPath Path => ref _path;

    /// <summary>The method that policies and routes are asked about.</summary>
    public string Method { get; private set; } = "";

    /// <summary>
    /// The host that policies and routes are asked about, and that is sent on: the client's, or the service's where a client of HTTP/1.0
    /// sent none. Empty: there is none.
    /// </summary>
    public string Host { get; set; } = "";

    /// <summary>Fields that the client's <c>Connection</c> names, which are not sent on; null when there are none.</summary>
    public string[]? Nominated { get; set; }

    /// <summary>The first of <see cref="Nominated"/> that a policy or route has asked for, or null.</summary>
    public string? ReliedOn { get; private set; }

    /// <summary>What policy said, once asked.</summary>
    public AuthorizationDecision? Authorization { get; set; }

    /// <summary>What policies that decide nothing said, once asked.</summary>
    public ImmutableArray<PolicyNote> PolicyNotes { get; set; } = [];

    /// <summary>Which route was taken, once known.</summary>
    public RequestRoute? Route { get; set; }

    /// <summary>The service that the request is for after routing; null when a workload is addressed.</summary>
    public MeshService? BackendService { get; set; }

    /// <summary>Port of <see cref="BackendService"/>.</summary>
    public int BackendPort { get; set; }

    /// <summary>Short names of why it ended as it did; see <see cref="ResponseFlags"/>.</summary>
    public string Flags { get; set; } = ResponseFlags.None;

    /// <summary>Why it failed, in words; null when it did not.</summary>
    public string? Error { get; set; }

    /// <summary>The request id that was sent on, or the client's own; null when there is none.</summary>
    public string? RequestIdSent { get; private set; }

    /// <summary>gRPC status of the answer, or null.</summary>
    public string? GrpcStatus { get; private set; }

    /// <summary>Timestamp of the beginning.</summary>
    public long Started { get; private set; }

    /// <summary>Bytes of the request's body.</summary>
    public long RequestBytes => _requestBody?.Bytes ?? _http.Request.ContentLength ?? 0;

    /// <summary>Bytes of the answer's body.</summary>
    public long ResponseBytes => _responseBody?.Bytes ?? _responseLength ?? _http.Response.ContentLength ?? 0;

    /// <summary>Takes up a new request.</summary>
    public void Begin(IFeatureCollection features)
    {
        _http.Initialize(features);
        Started = Time.GetTimestamp();
        _headers = _http.Request.Headers;
        Method = RequestForm.MethodOf(_http);
        Open.Begin(_http);
    }

    /// <summary>Lets go of the request, ready for the next.</summary>
    public void End()
    {
        Open.Close();
        _http.Uninitialize();
        Method = "";
        Arrival = default;
        Host = "";
        Nominated = null;
        ReliedOn = null;
        _path = default;
        Authorization = null;
        PolicyNotes = [];
        Route = null;
        BackendService = null;
        BackendPort = 0;
        Flags = ResponseFlags.None;
        Error = null;
        GrpcStatus = null;
        RequestIdSent = null;
        _requestBody = null;
        _responseBody = null;
        _responseLength = null;
        Attempts.Reset();
    }

    /// <summary>What policies are asked about the request.</summary>
    public RequestFacts PolicyFacts => new()
    {
        Identity = Arrival.Identity,
        Source = Arrival.Source,
        Destination = Arrival.Destination,
        Method = Method,
        Host = Host,
        Path = _path.Path,
        Query = _path.Query,
        Header = Header,
    };

    /// <summary>What routes are asked about the request.</summary>
    public RouteFacts RouteFacts => new(Arrival.Destination.Port, Host, Method, _path.Path, _path.Query, Header);

    /// <inheritdoc/>
    public ConnectionObjection? ObjectionIn(MeshSnapshot mesh)
    {
        if (_entrance.Find(Arrival) is not { } place)
        {
            return new ConnectionObjection(ConnectionEnd.Rebound, "the service or gateway is no longer in the mesh, or no longer bound to this waypoint");
        }

        if (RequestAuthorizer.Authorize(place.Policies, PolicyFacts) is { IsAllowed: false } decision)
        {
            return new ConnectionObjection(ConnectionEnd.PolicyChange, decision.ToString());
        }

        return BackendService is { } service && place.Routes?.Refusal(RouteFacts, service, BackendPort) is { } refusal
            ? new ConnectionObjection(ConnectionEnd.PolicyChange, refusal)
            : null;
    }

    /// <summary>The endpoint for the next try, not one of those that failed while there is another; null when there is none.</summary>
    public UpstreamEndpoint? ChooseEndpoint(IReadOnlyList<Workload> failed)
    {
        var http2 = HttpProtocol.IsHttp2(_http.Request.Protocol);
        if (BackendService is not { } service)
        {
            return EndpointChoice.ForWorkload(Arrival.Workload!, Arrival.Destination, http2);
        }

        var mesh = Arrival.Place!.Mesh;
        return Arrival.IsIngress && service is { IngressUseWaypoint: true, Waypoint: not null }
            ? EndpointChoice.ForWaypoint(mesh, Arrival.Self!, service, BackendPort, http2)
            : EndpointChoice.ForService(mesh, Arrival.Self!, service, BackendPort, http2, failed);
    }

    /// <summary>Counts the request's body as it is read, where its length was not announced.</summary>
    public void CountRequestBody()
    {
        if (_http.Request.ContentLength is null && _http.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true)
        {
            _requestBody = new CountingStream(_http.Request.Body);
            _http.Request.Body = _requestBody;
        }
    }

    /// <summary>Counts the answer's body as it is read, where its length was not announced.</summary>
    public void CountResponseBody(HttpResponseMessage response)
    {
        if (response.StatusCode == HttpStatusCode.SwitchingProtocols)
        {
            return;
        }

        _responseLength = response.Content.Headers.ContentLength;
        if (_responseLength is null)
        {
            var counted = new CountedContent(response.Content);
            _responseBody = counted.Body;
            response.Content = counted;
        }
    }

    /// <inheritdoc/>
    public override ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        var arrival = Arrival;
        var request = httpContext.Request;
        RequestHeaders.Copy(request, proxyRequest, _rules, arrival, Nominated);
        RequestIdSent = _rules.Apply(request, arrival, proxyRequest.Headers);
        proxyRequest.Headers.Host ??= Host;
        var target = _path;
        if (Route is { } route)
        {
            HeaderEdits.Apply(proxyRequest, route.RequestHeaders);
            proxyRequest.Headers.Host = route.Host ?? proxyRequest.Headers.Host;
            target = route.Path is null ? target : target with { Path = route.Path };
        }

        proxyRequest.RequestUri = new Uri(string.Concat(TargetPrefix, target.Target), in AsWritten);
        return default;
    }

    /// <inheritdoc/>
    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (!await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        var headers = httpContext.Response.Headers;
        if (Route is { } route)
        {
            HeaderEdits.Apply(headers, route.ResponseHeaders);
        }

        headers[HeaderNames.Server] = HeaderRules.Server;
        headers[HeaderRules.UpstreamServiceTime] = Attempts.ServiceTimeText;
        if (headers.TryGetValue("grpc-status", out var status))
        {
            GrpcStatus = status;
        }

        return true;
    }

    /// <inheritdoc/>
    public override ValueTask TransformResponseTrailersAsync(
        HttpContext httpContext, HttpResponseMessage proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse.TrailingHeaders.NonValidated.TryGetValues("grpc-status", out var status))
        {
            GrpcStatus = status.ToString();
        }

        return base.TransformResponseTrailersAsync(httpContext, proxyResponse, cancellationToken);
    }

    // Without the blanks around it, which HTTP/2 brings along and the endpoint's HTTP/1 parser takes away.
    private string? GetHeader(string name)
    {
        if (Nominated is not null && RequestForm.Names(Nominated, name))
        {
            ReliedOn ??= name;
        }

        return _headers.TryGetValue(name, out var values)
            ? values.Count == 1 ? values[0]?.Trim(' ', '\t') : string.Join(',', values.Select(value => value?.Trim(' ', '\t')))
            : null;
    }
}
