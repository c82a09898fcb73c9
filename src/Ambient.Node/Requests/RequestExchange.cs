using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
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
internal sealed class RequestExchange : HttpTransformer
{
    // Any absolute URI will do: the upstream's connect callback knows where to dial, and Host is sent as the client wrote it.
    private const string TargetPrefix = "http://upstream";
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    private readonly DefaultHttpContext _http = new(EmptyFeatures);
    private readonly HeaderRules _rules;
    private RequestPath _path;
    private CountingStream? _requestBody;
    private CountingStream? _responseBody;
    private long? _responseLength;

    private static FeatureCollection EmptyFeatures => new();

    /// <summary>Creates an exchange for a server whose requests follow <paramref name="rules"/>.</summary>
    public RequestExchange(HeaderRules rules, UpstreamPool upstreams, RequestLog log, TimeProvider time)
    {
        _rules = rules;
        Time = time;
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

    /// <summary>Sends the request upstream, trying again where that is safe.</summary>
    public UpstreamAttempts Attempts { get; }

    /// <summary><see cref="Attempts"/> as the forwarder wants it.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>Where the request came in, and from whom.</summary>
    public RequestArrival Arrival { get; set; }

    /// <summary>Path and query.</summary>
    public ref RequestPath Path => ref _path;

    /// <summary>
    /// The method that policies and routes are asked about. A WebSocket over HTTP/2 (RFC 8441) is a CONNECT only on its way:
    /// the endpoint gets the GET that it stands for.
    /// </summary>
    public string Method =>
        HttpMethods.IsConnect(_http.Request.Method)
        && "websocket".Equals(_http.Features.Get<IHttpExtendedConnectFeature>()?.Protocol, StringComparison.OrdinalIgnoreCase)
            ? HttpMethods.Get
            : _http.Request.Method;

    /// <summary>What policy said, once asked.</summary>
    public AuthorizationDecision? Authorization { get; set; }

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
    }

    /// <summary>Lets go of the request, ready for the next.</summary>
    public void End()
    {
        _http.Uninitialize();
        Arrival = default;
        _path = default;
        Authorization = null;
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
        RequestHeaders.Copy(request, proxyRequest, _rules, arrival);
        RequestIdSent = _rules.Apply(request, arrival, proxyRequest.Headers);
        if (proxyRequest.Headers.Host is null && BackendService is { } service)
        {
            // HTTP/1.0 may come without Host; upstream is 1.1 and needs one.
            proxyRequest.Headers.Host = service.Hostname;
        }

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
    private string? GetHeader(string name) => _http.Request.Headers.TryGetValue(name, out var values)
        ? values.Count == 1 ? values[0]?.Trim(' ', '\t') : string.Join(',', values.Select(value => value?.Trim(' ', '\t')))
        : null;
}
