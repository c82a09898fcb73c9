using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Connect;

/// <summary>A CONNECT that a client sent and that waits for its answer.</summary>
/// <param name="onEnded">Called once when the stream has ended.</param>
/// <param name="inline">Whether who waits for the answer goes on where it came in.</param>
internal sealed class SentConnect(Action onEnded, bool inline = false) : IHttp2StreamOwner
{
    private readonly TaskCompletionSource<ConnectResponseHeaders> _answer =
        new(inline ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the answer; fails when the stream ends before.</summary>
    public Task<ConnectResponseHeaders> Answer => _answer.Task;

    public void OnResponse(in ConnectResponseHeaders headers) => _answer.TrySetResult(headers);

    public void OnFault(StreamFault fault)
    {
        if (_answer.TrySetException(fault.ToException()))
        {
            _ = _answer.Task.Exception;
        }
    }

    public void OnEnded() => onEnded();
}
