using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// Tells the users of many streams that these are over before their time. Each of them has a socket to close, a line to log and metrics to
/// count, so on an event loop only some are told in a turn: a peer that drops a connection with all of its tunnels keeps no other waiting.
/// </summary>
internal sealed class StreamEndings(Http2Connection connection, IReadOnlyList<Http2Stream> streams, Func<Http2Stream, StreamFault> faultOf) : ILoopWork
{
    /// <summary>Streams that end in one turn of an event loop.</summary>
    public const int PerTurn = 4;

    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _next;

    /// <summary>Completes when all have been told. Never fails.</summary>
    public Task Done => _done.Task;

    /// <summary>Tells the first ones here and now; elsewhere than on an event loop, all of them.</summary>
    public void Run()
    {
        var loop = EventLoop.Current;
        var end = loop is null ? streams.Count : Math.Min(_next + PerTurn, streams.Count);
        while (_next < end)
        {
            var stream = streams[_next++];
            connection.EndFaulted(stream, faultOf(stream));
        }

        if (_next == streams.Count)
        {
            _done.TrySetResult();
        }
        else
        {
            loop!.NextTurn(this);
        }
    }
}
