using System.Diagnostics;
using Ambient.Node.Protos.Discovery;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>When the responses of a control plane were acknowledged, by their nonces.</summary>
internal sealed class Acknowledgements
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, TaskCompletionSource<long>> _waiting = new(StringComparer.Ordinal);

    internal void Note(DeltaDiscoveryRequest request)
    {
        var now = Stopwatch.GetTimestamp();
        lock (_lock)
        {
            if (_waiting.Remove(request.ResponseNonce, out var waiting))
            {
                waiting.TrySetResult(now);
            }
        }
    }

    internal Task<long> WaitAsync(string nonce)
    {
        var waiting = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _waiting[nonce] = waiting;
        }

        return waiting.Task;
    }
}
