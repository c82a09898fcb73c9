using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Protos.Spiffe;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>
/// A SPIFFE Workload API (SPIRE's agent) as the authority: it gives the identities that are registered for this process, and new SVIDs before
/// the old ones end, on one stream that stays open. Nothing is signed here, and no key is asked for: keys come with the SVIDs. What was given
/// last holds while the agent is away.
/// </summary>
internal sealed partial class WorkloadApiAuthority : ICertificateAuthority, ISvidUpdates, IAsyncDisposable
{
    private const int LargestAnswer = 16 * 1024 * 1024;

    /// <summary>How long a certificate that is asked for waits for the agent's first answer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    // Without it an agent answers nothing: a request that some proxy forwarded could not have it (SPIFFE Workload Endpoint, section 4).
    private static readonly Metadata s_headers = new() { { "workload.spiffe.io", "true" } };

    private readonly WorkloadApiAddress _address;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Task? _running;
    private volatile WorkloadApiSvids _svids = WorkloadApiSvids.None;
    private volatile string? _failure;

    /// <summary>Creates the client; nothing is connected before the first certificate is needed.</summary>
    public WorkloadApiAuthority(WorkloadApiAddress address, ILogger logger, TimeProvider time)
    {
        _address = address;
        _logger = logger;
        _time = time;
    }

    /// <inheritdoc/>
    public Action<SpiffeId>? Updated { get; set; }

    /// <inheritdoc/>
    public async ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, this);
            _running ??= Task.Run(RunAsync, CancellationToken.None);
        }

        try
        {
            await _told.Task.WaitAsync(Patience, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new CertificateAuthorityException($"{id}: the SPIFFE Workload API at {_address} does not answer");
        }

        var svids = _svids;
        if (svids.ById.TryGetValue(id, out var given))
        {
            return given.Svid;
        }

        throw new CertificateAuthorityException(svids.ById.IsEmpty && _failure is { } failure
            ? $"{id}: {failure}"
            : $"{id}: the SPIFFE Workload API at {_address} does not give this identity, but {Names(svids)}. "
                + "Register it for this process: an entry with this SPIFFE ID, the node's agent as parent, and the selectors of ztunnel's pod");
    }

    /// <summary>Ends the stream.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_running is { } running)
        {
            await running.ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var pause = ShortestPause;
        while (!_stop.IsCancellationRequested)
        {
            var (answered, reason) = await StreamAsync().ConfigureAwait(false);
            if (_stop.IsCancellationRequested)
            {
                return;
            }

            pause = answered ? ShortestPause : pause;
            _failure = reason;
            _told.TrySetResult();
            LogEnded(_logger, reason, pause);
            try
            {
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>One stream from its begin to its end. Never throws.</summary>
#pragma warning disable CA1031
    private async Task<(bool Answered, string Reason)> StreamAsync()
    {
        var answered = false;
        try
        {
            using var channel = Open();
            var client = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);
            using var call = client.FetchX509SVID(new X509SVIDRequest(), s_headers, cancellationToken: _stop.Token);
            while (await call.ResponseStream.MoveNext(_stop.Token).ConfigureAwait(false))
            {
                answered = true;
                Take(call.ResponseStream.Current);
            }

            return (answered, $"the SPIFFE Workload API at {_address} ended the stream");
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.PermissionDenied)
        {
            return (answered, $"the SPIFFE Workload API at {_address} has no identity for this process: register entries whose selectors match ztunnel's pod ({e.Status.Detail})");
        }
        catch (RpcException e)
        {
            var cause = e.Status.DebugException;
            while (cause is { InnerException: { } inner } and not SocketException)
            {
                cause = inner;
            }

            return (answered, cause is SocketException
                ? $"the SPIFFE Workload API at {_address} cannot be reached: {cause.Message}"
                : $"the SPIFFE Workload API at {_address}: {e.StatusCode}: {e.Status.Detail}");
        }
        catch (Exception e)
        {
            // Bytes that are no message, or a fault of ours: what was given stays, and the next stream may do better.
            return (answered, $"the SPIFFE Workload API at {_address}: its answer cannot be used: {e.Message}");
        }
    }
#pragma warning restore CA1031

    private void Take(X509SVIDResponse response)
    {
        var before = _svids;
        var now = WorkloadApiSvids.Read(response, before);
        foreach (var refused in now.Refused)
        {
            LogRefused(_logger, _address, refused);
        }

        _svids = now;
        _failure = null;
        _told.TrySetResult();
        LogTaken(_logger, _address, Names(now));
        foreach (var id in now.ChangedSince(before))
        {
            Updated?.Invoke(id);
        }
    }

    private GrpcChannel Open() => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        DisposeHttpClient = true,
        MaxReceiveMessageSize = LargestAnswer,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectTimeout = ConnectTimeout,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var family = _address.EndPoint.AddressFamily;
                var socket = new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
                try
                {
                    await socket.ConnectAsync(_address.EndPoint, cancellationToken).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        },
    });

    private static string Names(WorkloadApiSvids svids)
    {
        const int Shown = 10;
        return svids.ById.IsEmpty
            ? "none"
            : string.Join(", ", svids.ById.Keys.Select(id => id.ToString()).Order(StringComparer.Ordinal).Take(Shown)) + (svids.ById.Count > Shown ? $" and {svids.ById.Count - Shown} more" : "");
    }

    [LoggerMessage(3, LogLevel.Warning, "{Reason}; trying again in {Pause}. What it gave last stays in use")]
    private static partial void LogEnded(ILogger logger, string reason, TimeSpan pause);

    [LoggerMessage(4, LogLevel.Error, "the SPIFFE Workload API at {Address}: {Refused}; it is left out")]
    private static partial void LogRefused(ILogger logger, WorkloadApiAddress address, string refused);

    [LoggerMessage(5, LogLevel.Information, "the SPIFFE Workload API at {Address} gives {Identities}")]
    private static partial void LogTaken(ILogger logger, WorkloadApiAddress address, string identities);
}
