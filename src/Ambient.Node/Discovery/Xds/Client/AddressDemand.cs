using System.Net;
using System.Threading.Channels;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Protos.Discovery;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>
/// On-demand mode: addresses are asked for by name, one by one, as connections need them. Keeps who waits for what,
/// and for a while what the control plane does not have. The stream that asks comes and goes; questions outlive it.
/// </summary>
internal sealed class AddressDemand(MeshStore store, TimeProvider time) : IMeshDemand
{
    private const int MostPending = 1024;
    private const int MostAbsent = 8192;

    /// <summary>How long the control plane is not asked again for what it does not have: it does not tell when a name comes to be by its address.</summary>
    private static readonly TimeSpan AbsentFor = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Question> _pending = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _absent = new(StringComparer.Ordinal);
    private readonly Queue<string> _absentInOrder = new();

    // What the server of this stream takes us to be subscribed to: what was quoted, asked for, or told.
    private readonly HashSet<string> _subscribed = new(StringComparer.Ordinal);
    private ChannelWriter<DeltaDiscoveryRequest>? _stream;

    /// <inheritdoc/>
    public bool IsOpen => Volatile.Read(ref _stream) is not null;

    /// <inheritdoc/>
    public ValueTask<DemandAnswer> AskAsync(string name, TimeSpan patience, CancellationToken cancellationToken)
    {
        Question? question;
        lock (_lock)
        {
            // While nobody can be asked, the last answer is the best there is.
            if (_absent.TryGetValue(name, out var since) && (_stream is null || time.GetElapsedTime(since) < AbsentFor))
            {
                return ValueTask.FromResult(DemandAnswer.Absent);
            }

            if (!_pending.TryGetValue(name, out question))
            {
                if (_pending.Count == MostPending)
                {
                    return ValueTask.FromResult(DemandAnswer.Unanswered);
                }

                _pending[name] = question = new Question();
                Subscribe_NeedsLock(name);
            }

            question.Waiting++;
        }

        return WaitAsync(name, question, patience, cancellationToken);
    }

    /// <summary>Begins a stream: the first request quotes what is being waited for, and later questions follow it.</summary>
    internal void Open(ChannelWriter<DeltaDiscoveryRequest> stream, DeltaDiscoveryRequest first)
    {
        // Everything and at once nothing: the one way to say so, as nothing alone would mean everything.
        first.ResourceNamesSubscribe.Add("*");
        first.ResourceNamesUnsubscribe.Add("*");
        lock (_lock)
        {
            foreach (var name in _pending.Keys)
            {
                first.InitialResourceVersions.TryAdd(name, "");
            }

            _subscribed.Clear();
            _subscribed.UnionWith(first.InitialResourceVersions.Keys);
            stream.TryWrite(first);
            _stream = stream;
        }
    }

    /// <summary>The stream has ended.</summary>
    internal void Close()
    {
        lock (_lock)
        {
            _stream = null;
        }
    }

    /// <summary>Answers whoever waits for something in a response that was applied.</summary>
    internal void Answer(XdsResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        lock (_lock)
        {
            // Answers come under names of their own, which the server follows from then on.
            foreach (var resource in response.Taken)
            {
                _subscribed.Add(resource.Name);
            }

            if (_pending.Count == 0)
            {
                return;
            }

            var mesh = store.Current;
            var removed = new HashSet<string>(response.Removed, StringComparer.Ordinal);
            foreach (var (name, question) in _pending)
            {
                // The answer comes under a name of its own: what counts is that the mesh knows it now.
                DemandAnswer? answer = Knows(mesh, name) ? DemandAnswer.Known : removed.Contains(name) ? DemandAnswer.Absent : null;
                if (answer is null)
                {
                    continue;
                }

                _pending.Remove(name);
                Remember_NeedsLock(name, answer == DemandAnswer.Absent);
                question.Answer.TrySetResult(answer.Value);
            }
        }
    }

    private async ValueTask<DemandAnswer> WaitAsync(string name, Question question, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            // It may have come between the decision and the question.
            return Knows(store.Current, name)
                ? DemandAnswer.Known
                : await question.Answer.Task.WaitAsync(patience, time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            return DemandAnswer.Unanswered;
        }
        finally
        {
            lock (_lock)
            {
                // Nobody waits any more: a later question is a new one.
                if (--question.Waiting == 0 && _pending.TryGetValue(name, out var pending) && pending == question)
                {
                    _pending.Remove(name);
                }
            }
        }
    }

    /// <summary>
    /// A control plane answers a subscription that is new to it, and no other. One that this stream has made before (for a pod that has gone, a
    /// name that did not exist) is given up first; giving up one that it has not made is an error in istiod's log.
    /// </summary>
    private void Subscribe_NeedsLock(string name)
    {
        if (_stream is null)
        {
            return;
        }

        if (!_subscribed.Add(name))
        {
            _stream.TryWrite(new DeltaDiscoveryRequest { TypeUrl = XdsTypes.Address, ResourceNamesUnsubscribe = { name } });
        }

        _stream.TryWrite(new DeltaDiscoveryRequest { TypeUrl = XdsTypes.Address, ResourceNamesSubscribe = { name } });
    }

    private void Remember_NeedsLock(string name, bool absent)
    {
        if (!absent)
        {
            _absent.Remove(name);
            return;
        }

        if (!_absent.ContainsKey(name))
        {
            _absentInOrder.Enqueue(name);
            while (_absentInOrder.Count > MostAbsent)
            {
                _absent.Remove(_absentInOrder.Dequeue());
            }
        }

        _absent[name] = time.GetTimestamp();
    }

    private static bool Knows(MeshSnapshot mesh, string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
        {
            return false;
        }

        var (scope, rest) = (name[..slash], name[(slash + 1)..]);
        return IPAddress.TryParse(rest, out var address)
            ? mesh.FindWorkload(scope, address) is not null || mesh.FindService(scope, address, null) is not null
            : mesh.Services.ContainsKey(name) || mesh.FindWorkloadByHostname(scope, rest) is not null;
    }

    private sealed class Question
    {
        public TaskCompletionSource<DemandAnswer> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Waiting { get; set; }
    }
}
