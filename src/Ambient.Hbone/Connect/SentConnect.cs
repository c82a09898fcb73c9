using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Connect;

/// <summary>A CONNECT that a client sent and that waits for its answer; afterwards, who is told when its stream has ended.</summary>
/// <param name="onEnded">Called once when the stream has ended, with <paramref name="state"/>. One for all streams, since each idle tunnel keeps it.</param>
/// <param name="state">What <paramref name="onEnded"/> is about.</param>
/// <param name="inline">Whether who waits for the answer goes on where it came in.</param>
internal sealed class SentConnect(Action<object> onEnded, object state, bool inline = false) : ITunnelOwner
{
    private TaskCompletionSource<ConnectResponseHeaders>? _answer =
        new(inline ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the answer; fails when the stream ends before.</summary>
    /// <exception cref="InvalidOperationException">It was forgotten.</exception>
    public Task<ConnectResponseHeaders> Answer => (_answer ?? throw new InvalidOperationException("the answer has been taken already")).Task;

    /// <summary>Nobody asks for the answer any more.</summary>
    public void ForgetAnswer() => _answer = null;

    public void OnResponse(in ConnectResponseHeaders headers) => _answer?.TrySetResult(headers);

    public void OnFault(StreamFault fault)
    {
        if (_answer is { } answer && answer.TrySetException(fault.ToException()))
        {
            _ = answer.Task.Exception;
        }
    }

    public void OnEnded() => onEnded(state);
}
