using System.Buffers;
using System.Threading.Channels;
using Ambient.Mesh;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Node.Lifetime;
using Ambient.Node.Protos.Discovery;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>
/// The mesh from a control plane, by delta xDS: one stream for all types, opened again for as long as the
/// source lives. What was told last stays while nobody answers.
/// </summary>
internal sealed class XdsSource : IMeshSource
{
    // What is allocated for a byte of workloads and services, garbage included.
    private const int AllocatedPerByte = 6;

    // Answers and questions that the server does not take: then it is read no further either.
    private const int MostUnsent = 4096;

    private readonly XdsOptions _options;
    private readonly IXdsSession _session;
    private readonly XdsMetrics? _metrics;
    private readonly MeshStore _store;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Method<DeltaDiscoveryRequest, XdsResponse> _method;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _warm = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<string> _awaited;
    private readonly long _begun;
    private XdsBackoff _backoff;
    private bool _worked;
    private XdsResponse? _pieces;
    private readonly LongField _long;
    private readonly CollectionHold? _hold;
    private Task _running = Task.CompletedTask;

    /// <summary>
    /// Creates the source. It does nothing before <see cref="StartAsync"/>. With <paramref name="demand"/>, addresses are asked for as it
    /// wants them; without, all of them.
    /// </summary>
    public XdsSource(XdsOptions options, MeshStore store, XdsMetrics? metrics, ILogger logger, TimeProvider time, AddressDemand? demand = null)
        : this(options, store, new AddressSession(store, demand), metrics, logger, time)
    {
    }

    /// <summary>Creates the source of whatever a session asks for.</summary>
    public XdsSource(XdsOptions options, MeshStore store, IXdsSession session, XdsMetrics? metrics, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        _options = options;
        _store = store;
        _session = session;
        _metrics = metrics;
        _logger = logger;
        _time = time;
        _begun = time.GetTimestamp();
        _awaited = [.. session.Awaited];
        _hold = options.HoldsCollections ? new CollectionHold() : null;
        _long = new LongField(MessageBegins);
        var addresses = new AddressReader(new StringPool());
        _method = new Method<DeltaDiscoveryRequest, XdsResponse>(
            MethodType.DuplexStreaming,
            "envoy.service.discovery.v3.AggregatedDiscoveryService",
            "DeltaAggregatedResources",
            new Marshaller<DeltaDiscoveryRequest>(
                static (request, context) => context.Complete(request.ToByteArray()),
                static _ => throw new NotSupportedException()),
            new Marshaller<XdsResponse>(
                static (_, _) => throw new NotSupportedException(),
                context => Read(context.PayloadAsReadOnlySequence(), addresses, session as IResourceReader)));
    }

    /// <inheritdoc/>
    /// <remarks>The first mesh is there when the first response of each type was acknowledged (of policies only, where addresses come on demand); one that had to be refused does not count.</remarks>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _running = Task.Run(RunAsync, CancellationToken.None);
        return _warm.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _warm.TrySetCanceled(_stop.Token);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var (end, reason, orderly) = await StreamAsync().ConfigureAwait(false);
            if (_stop.IsCancellationRequested)
            {
                return;
            }

            // A stream that brings what cannot be read brings it again: it is asked for more and more rarely.
            if (_worked && end != XdsEnd.Error)
            {
                _backoff.Worked();
            }

            _worked = false;
            _metrics?.Ended(end);
            var delay = _backoff.Next();
            if (orderly)
            {
                XdsLog.Reconnecting(_logger, reason, delay);
            }
            else
            {
                XdsLog.Ended(_logger, reason, delay);
            }

            try
            {
                await Task.Delay(delay, _time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>One stream from its beginning to its end, and whether that end is how such streams end. Never throws.</summary>
#pragma warning disable CA1031
    private async Task<(XdsEnd End, string Reason, bool Orderly)> StreamAsync()
    {
        ControlPlaneChannel? channel = null;
        try
        {
            // Opened anew each time: the roots may have changed since.
            channel = ControlPlaneChannel.Open(_options.Server, _long);
            _pieces = null;
            _long.Release();
            var headers = await channel.HeadersAsync(_stop.Token).ConfigureAwait(false);
            using var call = channel.Invoker.AsyncDuplexStreamingCall(_method, null, new CallOptions(headers, cancellationToken: _stop.Token));
            var outbox = Channel.CreateBounded<DeltaDiscoveryRequest>(new BoundedChannelOptions(MostUnsent) { SingleReader = true });
            var sending = XdsSender.SendAsync(call.RequestStream, outbox.Reader, call.Dispose, _time, _stop.Token);
            try
            {
                var asked = _session.Subscribe(XdsNode.Of(_options), outbox.Writer);
                while (await call.ResponseStream.MoveNext(_stop.Token).ConfigureAwait(false))
                {
                    if (!call.ResponseStream.Current.IsWhole)
                    {
                        // Pieces that are there already are read in this call. On a stack of its own: each of a large mesh's hundred collections walks
                        // the stack, and what has just brought the first piece is fifty calls deep.
                        await Task.Yield();
                        continue;
                    }

                    if (asked is not null)
                    {
                        // Only now is it known that there is a server, and that it takes us for who we are.
                        XdsLog.Opened(_logger, _options.Server.Address.Authority, asked);
                        asked = null;
                    }

                    var answer = Apply(call.ResponseStream.Current);
                    _worked = true;
                    await outbox.Writer.WriteAsync(answer.Answer, _stop.Token).ConfigureAwait(false);
                    foreach (var further in answer.Further)
                    {
                        await outbox.Writer.WriteAsync(further, _stop.Token).ConfigureAwait(false);
                    }
                }
            }
            finally
            {
                _session.Close();
                _hold?.End();
                outbox.Writer.TryComplete();
            }

            await sending.ConfigureAwait(false);
            return (XdsEnd.Complete, "the server ended it", true);
        }
        catch (RpcException e)
        {
            var orderly = ControlPlaneChannel.IsGoodbye(e);
            var end = orderly ? XdsEnd.Reconnect
                : ControlPlaneChannel.IsConnectFailure(e) ? XdsEnd.ConnectionError
                : e.StatusCode is StatusCode.Unknown or StatusCode.Cancelled or StatusCode.DeadlineExceeded or StatusCode.Unavailable ? XdsEnd.Reconnect
                : XdsEnd.Error;
            return (end, channel!.Explain(e), orderly);
        }
        catch (ControlPlaneException e)
        {
            return (XdsEnd.ConnectionError, e.Message, false);
        }
        catch (Exception e) when (e is OperationCanceledException or InvalidOperationException or ObjectDisposedException or HttpRequestException or IOException)
        {
            // A write on a stream that has ended meanwhile; reading it would have said why.
            return (XdsEnd.Reconnect, $"{_options.Server.Address.Authority}: {e.Message}", false);
        }
        catch (Exception e)
        {
            // Bytes that are no message, or a fault of ours: the mesh stays, and the next stream may do better.
            return (XdsEnd.Error, $"{_options.Server.Address.Authority}: its message cannot be used: {e.Message}", false);
        }
        finally
        {
            channel?.Dispose();
        }
    }
#pragma warning restore CA1031

    private void MessageBegins(int length)
    {
        if (!_warm.Task.IsCompleted)
        {
            _hold?.Begin((long)length * AllocatedPerByte);
        }
    }

    /// <summary>Reads a piece of a response into what has come of it before.</summary>
    private XdsResponse Read(ReadOnlySequence<byte> piece, AddressReader addresses, IResourceReader? others)
    {
        var response = _pieces ??= new XdsResponse();
        var bytes = piece.IsSingleSegment ? piece.FirstSpan : piece.ToArray();
        if (bytes.SequenceEqual(MessagePieces.End))
        {
            _pieces = null;
            _long.Release();
            response.Complete();
        }
        else
        {
            response.Add(bytes.SequenceEqual(MessagePieces.Long) ? _long.Bytes : bytes, addresses, others);
        }

        return response;
    }

    private XdsAnswer Apply(XdsResponse response)
    {
        var begun = _time.GetTimestamp();
        var isKnown = _session.Takes(response.TypeUrl);
        _metrics?.Received(response, isKnown);
        foreach (var (name, reason) in response.Refused)
        {
            XdsLog.Refused(_logger, response.TypeUrl, name, reason);
        }

        if (!isKnown)
        {
            XdsLog.UnknownType(_logger, response.TypeUrl);
        }

        var answer = _session.Apply(response);
        var applying = _time.GetElapsedTime(begun);
        XdsLog.Applied(
            _logger, response.TypeUrl, response.Taken.Count + response.Unchanged, response.Refused.Count, response.Removed.Count, (long)response.Decoding.TotalMilliseconds, (long)applying.TotalMilliseconds);
        if (isKnown)
        {
            _metrics?.Applied(response, applying);
        }

        if (!answer.IsAccepted)
        {
            // It may be long before the mesh is there.
            _hold?.End();
        }

        if (answer.IsAccepted && _awaited.Remove(response.TypeUrl) && _awaited.Count == 0)
        {
            var mesh = _store.Current;
            XdsLog.Warm(
                _logger, _options.Server.Address.Authority, mesh.Workloads.Count, mesh.Services.Count, mesh.Policies.Count, (long)_time.GetElapsedTime(_begun).TotalMilliseconds);
            _hold?.End();
            _warm.TrySetResult();
        }

        response.Release();
        return answer;
    }
}
