using System.Globalization;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;
using Microsoft.Net.Http.Headers;

namespace Ambient.Node.Requests;

/// <summary>
/// The last stage: sends a request to an endpoint of its backend, and to another one when no connection could be made
/// (Istio's default: two more tries, other endpoints first). A request that was sent is
/// never sent again here: its body is gone, and the endpoint may have acted on it.
/// </summary>
internal sealed class UpstreamAttempts(RequestExchange exchange, UpstreamPool upstreams, RequestLog log, TimeProvider time) : HttpMessageHandler
{
    private readonly List<Workload> _failed = [];
    private Upstream? _upstream;
    private long _sent;
    private long _answered;

    /// <summary>Where the last try went, or null before the first.</summary>
    public UpstreamEndpoint? Endpoint { get; private set; }

    /// <summary>Tries so far.</summary>
    public int Count { get; private set; }

    /// <summary>Milliseconds from sending the last try to the head of its answer.</summary>
    public string ServiceTimeText =>
        ((long)time.GetElapsedTime(_sent, _answered).TotalMilliseconds).ToString(CultureInfo.InvariantCulture);

    /// <summary>Lets go of the upstream and forgets everything, for the next request.</summary>
    public void Reset()
    {
        _upstream?.Release();
        _upstream = null;
        _failed.Clear();
        _sent = _answered = 0;
        Endpoint = null;
        Count = 0;
    }

    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (exchange.ChooseEndpoint(_failed) is not { } endpoint)
            {
                throw new NoHealthyUpstreamException();
            }

            Endpoint = endpoint;
            Count++;
            Prepare(request, endpoint);
            _upstream?.Release();
            _upstream = upstreams.Acquire(endpoint);
            try
            {
                _sent = time.GetTimestamp();
                var response = await _upstream.Invoker.SendAsync(request, cancellationToken).ConfigureAwait(false);
                _answered = time.GetTimestamp();
                exchange.CountResponseBody(response);
                return response;
            }
            catch (HttpRequestException e) when (UpstreamConnectException.In(e) is { } cause)
            {
                log.TryFailed(exchange, endpoint, Count, cause.Message);
                if (Count >= upstreams.Options.MaxAttempts)
                {
                    throw;
                }
            }

            _failed.Add(endpoint.Workload);
            var longest = upstreams.Options.RetryBackoff * (1 << (Count - 1));
            await Task.Delay(longest * Random.Shared.NextDouble(), time, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Prepare(HttpRequestMessage request, in UpstreamEndpoint endpoint)
    {
        // In place of the last try's, and of what a client claims.
        request.Headers.Remove(HeaderRules.AttemptCount);
        request.Headers.TryAddWithoutValidation(HeaderRules.AttemptCount, Count.ToString(CultureInfo.InvariantCulture));

        // An upgrade (WebSocket) keeps the version the forwarder chose for it.
        if (!request.Headers.NonValidated.Contains(HeaderNames.Upgrade))
        {
            request.Version = endpoint.Http2 ? HttpVersion.Version20 : HttpVersion.Version11;
            request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        }
    }
}
