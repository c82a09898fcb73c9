using System.Diagnostics.CodeAnalysis;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// The connections to an endpoint of one thread: the one used last is used first, so that what is not needed idles and goes. Bounded; who finds all
/// of them taken waits for one as long as for a new connection.
/// </summary>
[SuppressMessage("Reliability", "CA2000", Justification = "What is made here is in the pool, which closes it.")]
internal sealed class UpstreamConnections(UpstreamEndpoint endpoint, UpstreamDialer dialer, UpstreamOptions options, int thread, TimeProvider time)
{
    private static readonly MessageClientOptions s_settings = new();
    private readonly MessageClientOptions _settings = options.Http2KeepAlive is { } pings
        ? new MessageClientOptions { PingInterval = Range(pings.Interval ?? s_settings.PingInterval), PingTimeout = Range(pings.Timeout ?? s_settings.PingTimeout) }
        : s_settings;

    private readonly Lock _gate = new();
    private readonly HashSet<Entry> _all = [];

    // Those that had room when they were last heard of; the last one is taken first.
    private readonly List<Entry> _free = [];
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private Task<UpstreamConnectException?>? _dialing;
    private int _dials;
    private bool _closed;

    /// <summary>Begins a request.</summary>
    /// <param name="onNew">Whether the connection must not have been there before.</param>
    /// <param name="patience">Ends the wait; a connection that is being made goes on to be.</param>
    /// <exception cref="UpstreamConnectException">There is no connection, and none could be made, or became free, in time.</exception>
    /// <exception cref="UpstreamOverflowException">As many requests as may wait for one do.</exception>
    /// <exception cref="OperationCanceledException">The wait was ended.</exception>
    public ValueTask<UpstreamTurn> BeginAsync(bool onNew, CancellationToken patience)
    {
        if (!onNew && TryBegin(out var turn))
        {
            return new(turn);
        }

        return endpoint.Limits is { } limits ? WaitWithinAsync(limits, onNew, patience) : WaitAsync(onNew, patience);
    }

    /// <summary>Begins a request on a connection that is there and has room; false: there is none.</summary>
    public bool TryBegin(out UpstreamTurn turn)
    {
        List<Entry>? old = null;
        bool begun;
        lock (_gate)
        {
            begun = TryBegin(out turn, ref old);
        }

        Dispose(old);
        return begun;
    }

    /// <summary>Lets go of connections that nobody has used for long, or that are old.</summary>
    public void Sweep()
    {
        List<Entry>? unwanted = null;
        lock (_gate)
        {
            foreach (var entry in _all)
            {
                if (entry.Connection.Active == 0
                    && (!entry.Connection.IsUsable || time.GetElapsedTime(entry.Used) >= options.IdleTimeout || time.GetElapsedTime(entry.Born) >= options.Lifetime))
                {
                    (unwanted ??= []).Add(entry);
                }
            }

            foreach (var entry in unwanted ?? [])
            {
                // There is room for another one.
                Remove(entry);
                WakeOne();
            }
        }

        Dispose(unwanted);
    }

    /// <summary>Closes all; no request is under way.</summary>
    public void Close()
    {
        List<Entry> all;
        lock (_gate)
        {
            _closed = true;
            all = [.. _all];
            foreach (var entry in all)
            {
                entry.IsKept = false;
            }

            _all.Clear();
            _free.Clear();
        }

        foreach (var _ in all)
        {
            endpoint.Limits?.Close();
        }

        Dispose(all);
    }

    /// <summary>Begins on a connection that has room.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="old">Gets connections that are not used any more, and are to be closed outside of the lock.</param>
    private bool TryBegin(out UpstreamTurn turn, ref List<Entry>? old)
    {
        while (_free.Count > 0)
        {
            var entry = _free[^1];
            if (time.GetElapsedTime(entry.Born) < options.Lifetime && !IsWorn(entry) && !IsFull(entry) && !IsStale(entry) && entry.Connection.TryBegin(out var exchange))
            {
                if (!endpoint.Http2)
                {
                    _free.RemoveAt(_free.Count - 1);
                    entry.IsFree = false;
                }

                turn = new UpstreamTurn(exchange, entry.Requests++ > 0);
                return true;
            }

            // Full, or at its end with requests under way: it says so itself when that changes. At its end without any it must not count any longer.
            _free.RemoveAt(_free.Count - 1);
            entry.IsFree = false;
            if (entry.Connection.Active == 0)
            {
                Remove(entry);
                (old ??= []).Add(entry);
            }
        }

        turn = default;
        return false;
    }

    /// <summary>Whether a connection has had as many requests as it may have.</summary>
    private bool IsWorn(Entry entry) => options.MaxRequestsPerConnection > 0 && entry.Requests >= options.MaxRequestsPerConnection;

    /// <summary>Whether a connection has as many requests at a time as it may have.</summary>
    private bool IsFull(Entry entry) => options.MaxConcurrentStreams > 0 && entry.Connection.Active >= options.MaxConcurrentStreams;

    /// <summary>Whether a connection has idled for longer than was asked for, between two sweeps.</summary>
    private bool IsStale(Entry entry) => endpoint.Limits is not null && entry.Connection.Active == 0 && time.GetElapsedTime(entry.Used) >= options.IdleTimeout;

    private async ValueTask<UpstreamTurn> WaitWithinAsync(BackendLimits limits, bool onNew, CancellationToken patience)
    {
        if (!limits.TryWait())
        {
            throw new UpstreamOverflowException($"{Name}: {limits.Settings.MaxPendingRequests} requests wait for a connection already");
        }

        try
        {
            return await WaitAsync(onNew, patience).ConfigureAwait(false);
        }
        finally
        {
            limits.EndWait();
        }
    }

    private async ValueTask<UpstreamTurn> WaitAsync(bool onNew, CancellationToken patience)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            var wait = Task.CompletedTask;
            List<Entry>? old = null;
            UpstreamTurn? found = null;
            TaskCompletionSource? place = null;
            TaskCompletionSource<UpstreamConnectException?>? dialed = null;
            lock (_gate)
            {
                if (!onNew && TryBegin(out var turn, ref old))
                {
                    found = turn;
                }
                else if (endpoint.Http2 && !onNew && _dialing is { } dialing)
                {
                    // One connection carries many: whoever comes meanwhile shares it, and its failure.
                    wait = dialing;
                }
                else if (_all.Count + _dials >= options.MaxConnections || endpoint.Limits?.TryOpen(isFirst: _all.Count + _dials == 0) == false)
                {
                    // Where there may be no other, one that there is has to do.
                    if (onNew && TryBegin(out turn, ref old))
                    {
                        found = turn;
                    }
                    else
                    {
                        place = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                        _waiting.Enqueue(place);
                        wait = place.Task;
                    }

                    onNew = false;
                }
                else
                {
                    _dials++;
                    dialed = new TaskCompletionSource<UpstreamConnectException?>(TaskCreationOptions.RunContinuationsAsynchronously);
                    _dialing = endpoint.Http2 ? dialed.Task : null;
                }
            }

            Dispose(old);
            if (found is { } taken)
            {
                return taken;
            }

            if (dialed is not null)
            {
                return patience.CanBeCanceled ? await DialWithinAsync(dialed, patience).ConfigureAwait(false) : await DialAsync(dialed).ConfigureAwait(false);
            }

            var left = options.ConnectTimeout - time.GetElapsedTime(begun);
            await wait.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (wait is Task<UpstreamConnectException?> { IsCompletedSuccessfully: true, Result: { } failure })
            {
                throw new UpstreamConnectException(failure.Message, failure);
            }

            // A place that nobody waits for any more must not be what somebody else's end wakes.
            if (!wait.IsCompleted && place?.TrySetCanceled(CancellationToken.None) != false)
            {
                var waited = patience.IsCancellationRequested ? time.GetElapsedTime(begun) : options.ConnectTimeout;
                throw place is null && patience.IsCancellationRequested
                    ? new OperationCanceledException(patience)
                    : new UpstreamConnectException($"{Name}: no connection became free within {waited.TotalSeconds:0.#} s") { IsForRoom = place is not null };
            }
        }
    }

    private static TimeSpan Range(TimeSpan time) => time < MessageClientOptions.ShortestPing ? MessageClientOptions.ShortestPing : time > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : time;

    private string Name => $"{endpoint.Workload.Namespace}/{endpoint.Workload.Name} at {endpoint.Where}";

    /// <summary>Makes a connection, and gives back what comes of it after patience has ended.</summary>
    private async ValueTask<UpstreamTurn> DialWithinAsync(TaskCompletionSource<UpstreamConnectException?> dialed, CancellationToken patience)
    {
        var dialing = DialAsync(dialed);
        if (dialing.IsCompleted)
        {
            return await dialing.ConfigureAwait(false);
        }

        var late = dialing.AsTask();
        try
        {
            return await late.WaitAsync(patience).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            _ = GiveBackAsync(late);
            throw;
        }
    }

    private static async Task GiveBackAsync(Task<UpstreamTurn> late)
    {
        try
        {
            await (await late.ConfigureAwait(false)).Exchange.DisposeAsync().ConfigureAwait(false);
        }
        catch (UpstreamConnectException)
        {
            // Nobody waits for it any more.
        }
    }

    private async ValueTask<UpstreamTurn> DialAsync(TaskCompletionSource<UpstreamConnectException?> dialed)
    {
        UpstreamConnectException? failure = null;
        Entry? closed = null;
        var isOpen = false;
        try
        {
            using var patience = new CancellationTokenSource(options.ConnectTimeout, time);
            var channel = await dialer.DialAsync(endpoint, thread, patience.Token).ConfigureAwait(false);
            var connection = MessageClient.Open(channel, endpoint.Http2 ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11, _settings, time);
            var entry = new Entry(connection, time.GetTimestamp());
            UpstreamTurn turn;
            lock (_gate)
            {
                _all.Add(entry);
                isOpen = entry.IsKept = true;
                connection.OnChanged = _ => Changed(entry);
                if (!connection.TryBegin(out var exchange))
                {
                    Remove(closed = entry);
                    throw failure = new UpstreamConnectException($"{Name}: the connection was closed at once");
                }

                entry.Requests++;
                turn = new UpstreamTurn(exchange, IsReused: false);
                if (endpoint.Http2)
                {
                    entry.IsFree = true;
                    _free.Add(entry);
                }
            }

            return turn;
        }
        catch (UpstreamConnectException e)
        {
            failure = e;
            throw;
        }
        catch (OperationCanceledException e)
        {
            throw failure = new UpstreamConnectException($"{Name}: connection timed out", e);
        }
        finally
        {
            if (!isOpen)
            {
                endpoint.Limits?.Close();
            }

            lock (_gate)
            {
                _dials--;
                if (_dialing == dialed.Task)
                {
                    _dialing = null;
                }

                WakeOne();
            }

            Dispose(closed is null ? null : [closed]);
            dialed.SetResult(failure);
        }
    }

    /// <summary>A connection has room again, or is over.</summary>
    private void Changed(Entry entry)
    {
        var over = false;
        lock (_gate)
        {
            entry.Used = time.GetTimestamp();
            if (!entry.Connection.IsUsable || _closed || IsWorn(entry))
            {
                over = entry.Connection.Active == 0;
                if (over)
                {
                    Remove(entry);
                }
            }
            else if (!entry.IsFree && entry.IsKept)
            {
                entry.IsFree = true;
                _free.Add(entry);
            }

            WakeOne();
        }

        if (over)
        {
            _ = entry.Connection.DisposeAsync().AsTask();
        }
    }

    private void WakeOne()
    {
        while (_waiting.TryDequeue(out var place) && !place.TrySetResult())
        {
        }
    }

    private void Remove(Entry entry)
    {
        if (_all.Remove(entry))
        {
            entry.IsKept = false;
            endpoint.Limits?.Close();
        }

        if (entry.IsFree)
        {
            entry.IsFree = false;
            _free.Remove(entry);
        }
    }

    private static void Dispose(List<Entry>? entries)
    {
        if (entries is null)
        {
            return;
        }

        foreach (var entry in entries)
        {
            _ = entry.Connection.DisposeAsync().AsTask();
        }
    }

    private sealed class Entry(MessageClientConnection connection, long born)
    {
        public MessageClientConnection Connection { get; } = connection;

        public long Born { get; } = born;

        public long Used { get; set; } = born;

        public long Requests { get; set; }

        public bool IsFree { get; set; }

        /// <summary>Whether it is one of all.</summary>
        public bool IsKept { get; set; }
    }
}
