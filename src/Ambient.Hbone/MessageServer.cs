using System.Collections.Concurrent;
using Ambient.Hbone.Http1;
using Ambient.Hbone.Http2.Exchanges;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone;

/// <summary>
/// Serves HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113) over channels that somebody else accepts: each request goes to one handler, on the thread that
/// moves the channel's bytes.
/// </summary>
public sealed class MessageServer : IAsyncDisposable
{
    private static readonly TimeSpan s_longestTick = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<IServedConnection, byte> _connections = new();
    private readonly ServerSettings _settings;
    private readonly ITimer _timer;
    private volatile bool _leading;
    private volatile bool _draining;
    private volatile bool _stopped;

    /// <summary>Creates a server.</summary>
    /// <param name="handler">Answers requests.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">Clock.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message names each.</exception>
    public MessageServer(IMessageHandler handler, MessageServerOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        _settings = new ServerSettings(handler, options, time);
        var shortest = TimeSpan.FromTicks(Math.Min(options.HeadTimeout.Ticks, Math.Min(options.IdleTimeout.Ticks, options.ExchangeIdleTimeout.Ticks)));
        var tick = shortest / 4 < s_longestTick ? shortest / 4 : s_longestTick;
        _timer = time.CreateTimer(static server => ((MessageServer)server!).CheckTimes(), this, tick, tick);
    }

    /// <summary>Connections being served.</summary>
    public int Connections => _connections.Count;

    /// <summary>Serves a connection until it ends, and disposes of the channel. That the connection fails is not an error here: the task completes all the same.</summary>
    /// <param name="channel">Channel of which nothing was received, but perhaps looked at.</param>
    /// <param name="state">For the handler; see <see cref="ServerExchange.ConnectionState"/>.</param>
    /// <param name="version">HTTP/1.1 or HTTP/2, as TLS has agreed; null: the first bytes tell, for HTTP/2 by prior knowledge (RFC 9113 section 3.3).</param>
    /// <param name="cancellationToken">Ends the connection at once.</param>
    public async Task ServeAsync(MessageChannel channel, object? state, HttpProtocolVersion? version, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        await using (channel.ConfigureAwait(false))
        {
            try
            {
                var isHttp2 = version is null ? await Preface.IsNextAsync(channel, _settings.Time, _settings.Options, cancellationToken).ConfigureAwait(false) : version == HttpProtocolVersion.Http2;
                IServedConnection connection = isHttp2 ? new Http2ServerConnection(_settings, channel, state) : new Http1ServerConnection(_settings, channel, state);
                await ServeAsync(connection, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // It ended before it said anything.
            }
        }
    }

    /// <summary>
    /// Leads clients on to another server while connections and requests are still taken: HTTP/2 connections are told GOAWAY (RFC 9113 section 6.8), those
    /// that come meanwhile with their first request, and every answer over HTTP/1.1 says that it is the connection's last (RFC 9112 section 9.6). Nothing that a client may be sending
    /// at the moment is lost. <see cref="StopAsync"/> follows.
    /// </summary>
    public void LeadOn()
    {
        _leading = true;
        foreach (var (connection, _) in _connections)
        {
            connection.LeadOn();
        }
    }

    /// <summary>No further requests: what is under way goes on until the token is cancelled, then it is broken off.</summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        _draining = true;
        foreach (var (connection, _) in _connections)
        {
            connection.Drain();
        }

        while (!_connections.IsEmpty && !deadline.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), _settings.Time, deadline).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stopped = true;
        foreach (var (connection, _) in _connections)
        {
            connection.Abort();
        }
    }

    /// <summary>Breaks off what is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(new CancellationToken(true)).ConfigureAwait(false);
        await _timer.DisposeAsync().ConfigureAwait(false);
    }

    private async Task ServeAsync(IServedConnection connection, CancellationToken cancellationToken)
    {
        _connections.TryAdd(connection, 0);
        try
        {
            await using var onCancel = cancellationToken.UnsafeRegister(static c => ((IServedConnection)c!).Abort(), connection).ConfigureAwait(false);
            if (_leading)
            {
                connection.LeadOn();
            }

            if (_draining)
            {
                connection.Drain();
            }

            if (_stopped)
            {
                connection.Abort();
            }

            await connection.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            _connections.TryRemove(connection, out _);
        }
    }

    private void CheckTimes()
    {
        var now = _settings.Time.GetTimestamp();
        foreach (var (connection, _) in _connections)
        {
            connection.CheckTime(now);
        }
    }
}
