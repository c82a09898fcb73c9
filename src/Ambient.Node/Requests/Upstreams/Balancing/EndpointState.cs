using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>
/// What is known of one endpoint of a backend, from when it joins until it leaves: what is under way there, and how it fared. Counted without a lock.
/// </summary>
internal sealed class EndpointState
{
    private readonly OutlierDetector? _detector;
    private Workload _workload;
    private EndpointShare? _share;
    private int _active;
    private bool _hasSidecar;
    private object? _made;

    /// <summary>Creates the state of an endpoint that has just joined.</summary>
    /// <param name="workload">Workload.</param>
    /// <param name="address">Its address and port.</param>
    /// <param name="detector">Watches its answers; null: nobody does.</param>
    public EndpointState(Workload workload, IPEndPoint address, OutlierDetector? detector)
    {
        (_workload, Address, _detector) = (workload, address, detector);
        IsNamed = address.Address.Equals(BackendEndpoint.NoAddress);
    }

    /// <summary>The workload, as the newest mesh has it.</summary>
    public Workload Workload
    {
        get => Volatile.Read(ref _workload);
        set => Volatile.Write(ref _workload, value);
    }

    /// <summary>Its address and port.</summary>
    public IPEndPoint Address { get; }

    /// <summary>Whether it is known by a host name, and has no address.</summary>
    public bool IsNamed { get; }

    /// <summary>The way to it, where it is not dialled itself; null: it is.</summary>
    public EndpointWay? Way { get; init; }

    /// <summary>Whether it has a sidecar, as the newest mesh has it.</summary>
    public bool HasSidecar
    {
        get => Volatile.Read(ref _hasSidecar);
        set => Volatile.Write(ref _hasSidecar, value);
    }

    /// <summary>What is said of it as an endpoint here, as the newest mesh has it; null: the usual.</summary>
    public EndpointShare? Share
    {
        get => Volatile.Read(ref _share);
        set => Volatile.Write(ref _share, value);
    }

    /// <summary>Its share.</summary>
    public uint Weight => Share?.Weight ?? Workload.Capacity;

    /// <summary>Requests under way.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>When it joined, as a timestamp; 0: it was there from the beginning, and is warm.</summary>
    public long Joined { get; set; }

    /// <summary>How it fared; touched by the detector alone.</summary>
    public OutlierRecord Record { get; } = new();

    /// <summary>Whether it gets nothing now because it failed.</summary>
    public bool IsEjected => Volatile.Read(ref Record.IsEjected);

    /// <summary>Whether it gets nothing now: because it failed, or because it is not healthy.</summary>
    public bool IsLeftOut => IsEjected || Share is { IsHealthy: false };

    /// <summary>What whoever sends to it has made of it for the last try, and may use again for the next; null: nothing. Who chooses it does not look at it.</summary>
    public object? Made
    {
        get => Volatile.Read(ref _made);
        set => Volatile.Write(ref _made, value);
    }

    /// <summary>A try begins.</summary>
    public void Begin() => Interlocked.Increment(ref _active);

    /// <summary>A try has ended.</summary>
    public void End() => Interlocked.Decrement(ref _active);

    /// <summary>It answered.</summary>
    /// <param name="status">The HTTP status, or the one that stands for what it said in gRPC.</param>
    public void Answered(int status) => _detector?.Answered(this, status);

    /// <summary>It did not answer.</summary>
    /// <param name="timedOut">Whether it took too long, rather than that the connection failed.</param>
    public void Failed(bool timedOut) => _detector?.Failed(this, timedOut);
}
