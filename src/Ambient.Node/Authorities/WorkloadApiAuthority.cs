using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Protos.Spiffe;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>
/// A SPIFFE Workload API (SPIRE's agent) as the authority: it gives the identities that are registered for this process, and new SVIDs before
/// the old ones end, on one stream that stays open. Nothing is signed here, and no key is asked for: keys come with the SVIDs. What was given
/// last holds while the agent is away; what the agent takes back is dropped.
/// </summary>
internal sealed partial class WorkloadApiAuthority : ICertificateAuthority, ISvidUpdates, IAsyncDisposable
{
    private const int Shown = 10;

    /// <summary>How long a request for a certificate waits for the agent's first answer.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_shortestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    private readonly WorkloadApiAddress _address;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Task? _running;
    private Action? _heard;
    private volatile WorkloadApiSvids _svids = WorkloadApiSvids.None;
    private volatile string? _failure;
    private bool _revocationSaid;
    private bool _disposed;

    /// <summary>Creates the client. It does not connect until the first certificate is needed.</summary>
    public WorkloadApiAuthority(WorkloadApiAddress address, ILogger logger, TimeProvider time)
    {
        _address = address;
        _logger = logger;
        _time = time;
    }

    /// <inheritdoc/>
    public Action<SpiffeId>? Updated { get; set; }

    /// <inheritdoc/>
    public Action<SpiffeId>? Withdrawn { get; set; }

    /// <summary>Opens the stream now, and calls back once, when the agent has said what it gives this process, even if that is nothing. Call it once.</summary>
    public void OnceHeard(Action heard)
    {
        _heard = heard;
        Start();
    }

    /// <inheritdoc/>
    public async ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(id);
        Start();
        try
        {
            await _tried.Task.WaitAsync(s_patience, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new CertificateAuthorityException($"{id}: the SPIFFE Workload API at {_address} does not answer");
        }

        var svids = _svids;
        if (!svids.ById.TryGetValue(id, out var given))
        {
            throw new CertificateAuthorityException(WhyNot(id, svids));
        }

        var svid = given.Svid;
        var now = _time.GetUtcNow();
        if (svid.NotAfter <= now)
        {
            throw new CertificateAuthorityException($"{id}: {_failure ?? $"the SPIFFE Workload API at {_address} gives no newer SVID"}; the last one ended at {svid.NotAfter:u}");
        }

        if (now - svid.NotBefore > (svid.NotAfter - svid.NotBefore) * 2 / 3)
        {
            LogOverdue(_logger, _address, id, svid.NotAfter);
        }

        return svid;
    }

    /// <summary>Ends the stream.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? running;
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            running = _running;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        if (running is not null)
        {
            await running.ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private void Start()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _running ??= Task.Run(RunAsync, CancellationToken.None);
        }
    }

    private async Task RunAsync()
    {
        var pause = s_shortestPause;
        while (!_stop.IsCancellationRequested)
        {
            var began = _time.GetTimestamp();
            var (reason, withdrawn) = await StreamAsync().ConfigureAwait(false);
            if (_stop.IsCancellationRequested)
            {
                return;
            }

            // Only a stream that lasted shows that all is well: an agent that keeps answering and hanging up must not be called in a tight loop.
            pause = _time.GetElapsedTime(began) >= s_longestPause ? s_shortestPause : pause;
            _failure = reason;
            if (withdrawn)
            {
                Replace(WorkloadApiSvids.None);
                LogWithdrawn(_logger, reason, pause);
            }
            else
            {
                LogEnded(_logger, reason, pause);
            }

            _tried.TrySetResult();
            try
            {
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
        }
    }

    /// <summary>Runs one stream from beginning to end; returns why it ended, and whether the agent withdrew what it had given on it. Never throws.</summary>
#pragma warning disable CA1031
    private async Task<(string Reason, bool Withdrawn)> StreamAsync()
    {
        var answered = false;
        try
        {
            using var channel = WorkloadApiChannel.Open(_address);
            var client = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);
            using var call = client.FetchX509SVID(new X509SVIDRequest(), WorkloadApiChannel.Headers, cancellationToken: _stop.Token);
            while (await call.ResponseStream.MoveNext(_stop.Token).ConfigureAwait(false))
            {
                Take(call.ResponseStream.Current, first: !answered);
                answered = true;
            }

            return ($"the SPIFFE Workload API at {_address} ended the stream", false);
        }
        catch (RpcException e)
        {
            var denied = e.StatusCode == StatusCode.PermissionDenied;
            if (denied)
            {
                Heard();
            }

            // On a stream that gave something, this means that all of it is withdrawn. On a new one it may also mean that the agent has
            // just started and does not know its workloads yet: then what the previous stream gave stays.
            return (WorkloadApiChannel.Explain(_address, e), denied && answered);
        }
        catch (Exception e)
        {
            // Bytes that are not a message, or a bug of ours: what was given stays, and the next stream may do better.
            return ($"the SPIFFE Workload API at {_address}: its answer cannot be used: {e.Message}", false);
        }
    }
#pragma warning restore CA1031

    private void Take(X509SVIDResponse response, bool first)
    {
        var now = WorkloadApiSvids.Read(response, _svids, _time.GetUtcNow());
        foreach (var refused in now.Refused.Take(Shown))
        {
            LogRefused(_logger, _address, refused.Reason);
        }

        if (now.Refused.Length > Shown)
        {
            LogRefused(_logger, _address, $"and {now.Refused.Length - Shown} more");
        }

        if (response.Crl.Count > 0 && !_revocationSaid)
        {
            _revocationSaid = true;
            LogRevocation(_logger, _address);
        }

        // The keys in it are no longer needed, and the stream would otherwise hold it until the next message.
        response.Svids.Clear();
        _failure = null;
        var changed = Replace(now);
        if (first || changed > 0)
        {
            LogTaken(_logger, _address, now.ById.Count, changed, Names(now));
        }

        _tried.TrySetResult();
        if (!now.ById.IsEmpty)
        {
            Heard();
        }
    }

    /// <summary>Puts an answer into force, and reports what has changed.</summary>
    private int Replace(WorkloadApiSvids now)
    {
        var before = _svids;
        _svids = now;
        foreach (var id in now.MissingSince(before))
        {
            Withdrawn?.Invoke(id);
        }

        var changed = now.ChangedSince(before);
        foreach (var id in changed)
        {
            Updated?.Invoke(id);
        }

        return changed.Length;
    }

    private void Heard() => Interlocked.Exchange(ref _heard, null)?.Invoke();

    private string WhyNot(SpiffeId id, WorkloadApiSvids svids)
    {
        foreach (var refused in svids.Refused)
        {
            if (id.Equals(refused.Id))
            {
                return $"the SPIFFE Workload API at {_address}: {refused.Reason}";
            }
        }

        var failure = _failure;
        if (svids.ById.IsEmpty && (failure is not null || !svids.Refused.IsEmpty))
        {
            return $"{id}: {failure ?? $"the SPIFFE Workload API at {_address} gives nothing that can be used: {svids.Refused[0].Reason}"}";
        }

        return $"{id}: the SPIFFE Workload API at {_address} does not give this identity, but {Names(svids)}. "
            + "Register it for this process: an entry with this SPIFFE ID, the node's agent as parent, and the selectors of ztunnel's pod"
            + (failure is null ? "" : $" ({failure})");
    }

    private static string Names(WorkloadApiSvids svids) => svids.ById.IsEmpty
        ? "none"
        : string.Join(", ", svids.ById.Keys.Select(id => id.ToString()).Order(StringComparer.Ordinal).Take(Shown)) + (svids.ById.Count > Shown ? $" and {svids.ById.Count - Shown} more" : "");

    [LoggerMessage(2520, LogLevel.Warning, "{Reason}; trying again in {Pause}. What it gave last stays in use")]
    private static partial void LogEnded(ILogger logger, string reason, TimeSpan pause);

    [LoggerMessage(2521, LogLevel.Error, "the SPIFFE Workload API at {Address}: {Refused}; it is not used")]
    private static partial void LogRefused(ILogger logger, WorkloadApiAddress address, string refused);

    [LoggerMessage(2522, LogLevel.Information, "the SPIFFE Workload API at {Address} gives {Count} identities, {Changed} of them new or renewed: {Identities}")]
    private static partial void LogTaken(ILogger logger, WorkloadApiAddress address, int count, int changed, string identities);

    [LoggerMessage(2523, LogLevel.Warning, "{Reason}; trying again in {Pause}. What it gave before is no longer used")]
    private static partial void LogWithdrawn(ILogger logger, string reason, TimeSpan pause);

    [LoggerMessage(2524, LogLevel.Warning, "the SPIFFE Workload API at {Address} has given no newer SVID of {Identity} than the one that ends at {NotAfter:u}: does the agent reach its server?")]
    private static partial void LogOverdue(ILogger logger, WorkloadApiAddress address, SpiffeId identity, DateTimeOffset notAfter);

    [LoggerMessage(2525, LogLevel.Warning, "the SPIFFE Workload API at {Address} gives revocation lists, which are not used: name a file of them in CRL_PATH")]
    private static partial void LogRevocation(ILogger logger, WorkloadApiAddress address);
}
