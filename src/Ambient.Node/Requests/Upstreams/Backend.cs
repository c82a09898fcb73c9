using System.Net;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// A port of a service, or a subset of its endpoints, as requests are sent to it: who its endpoints are and how they fare, what its DestinationRule asks,
/// and how many requests are under way. What a request needs is read without a lock; it is made anew when the mesh, the rule or the endpoints change.
/// </summary>
internal sealed class Backend
{
    private readonly Backends _owner;
    private readonly Lock _gate = new();
    private readonly RecentRequests _recent = new();
    private Dictionary<(string Uid, IPEndPoint Address), EndpointState> _states = [];
    private RankedEndpoint[] _endpoints = [];
    private OutlierDetector? _detector;
    private ITimer? _sweep;
    private BackendView? _view;
    private volatile bool _ended;
    private int _requests;
    private int _retries;

    /// <summary>Creates a backend of which nothing is known yet.</summary>
    public Backend(Backends owner, BackendKey key) => (_owner, Key) = (owner, key);

    /// <summary>Which one it is.</summary>
    public BackendKey Key { get; }

    /// <summary>Whether it is in no mesh any more.</summary>
    public bool HasEnded => _ended;

    /// <summary>Requests under way.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Requests that are under way again.</summary>
    public int Retries => Volatile.Read(ref _retries);

    /// <summary>What was last made of it; null before the first request.</summary>
    public BackendView? Current => Volatile.Read(ref _view);

    /// <summary>The endpoints, those that are left out too.</summary>
    public IReadOnlyList<RankedEndpoint> Endpoints => Volatile.Read(ref _endpoints);

    /// <summary>How long an endpoint that is left out stays out; zero where nobody is.</summary>
    public TimeSpan EjectionOf(EndpointState endpoint) => _detector?.TimeOf(endpoint.Record) ?? TimeSpan.Zero;

    /// <summary>The backend as a mesh has it, or a later one.</summary>
    public BackendView At(MeshSnapshot mesh, Workload self, MeshService service)
    {
        var view = Volatile.Read(ref _view);
        return view is not null && (ReferenceEquals(view.Mesh, mesh) || view.Mesh.Version > mesh.Version) ? view : Renew(mesh, self, service);
    }

    /// <summary>Counts a request in; false: there are as many as there may be.</summary>
    public bool TryBegin(BackendView view)
    {
        if (Interlocked.Increment(ref _requests) <= view.MaxRequests)
        {
            if (view.RetryBudget.Interval is { } interval)
            {
                _recent.Count(_owner.Time, interval);
            }

            return true;
        }

        Interlocked.Decrement(ref _requests);
        _owner.Metrics?.Overflow();
        return false;
    }

    /// <summary>Counts a request out.</summary>
    /// <param name="wasRetried">Whether it was counted as one that is under way again.</param>
    public void End(bool wasRetried)
    {
        Interlocked.Decrement(ref _requests);
        if (wasRetried)
        {
            Interlocked.Decrement(ref _retries);
        }
    }

    /// <summary>Counts a request in that is to be sent again; false: the budget has no room for it.</summary>
    public bool TryRetry(BackendView view)
    {
        var most = view.MaxRetries ?? Math.Max(view.RetryBudget.MinRetryConcurrency, (int)(view.RetryBudget.Percent / 100 * (view.RetryBudget.Interval is { } interval ? Math.Max(Requests, _recent.Of(_owner.Time, interval)) : Requests)));
        if (Interlocked.Increment(ref _retries) <= most)
        {
            return true;
        }

        Interlocked.Decrement(ref _retries);
        _owner.Metrics?.RetryOverflow();
        return false;
    }

    /// <summary>Ends what it keeps going by itself: it is in no mesh any more.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _ended = true;
            _sweep?.Dispose();
            _sweep = null;
        }
    }

    private BackendView Renew(MeshSnapshot mesh, Workload self, MeshService service)
    {
        BackendLimits? retired = null;
        BackendView made;
        lock (_gate)
        {
            var before = _view;
            if (before is not null && before.Mesh.Version >= mesh.Version && (ReferenceEquals(before.Mesh, mesh) || before.Mesh.Version > mesh.Version))
            {
                return before;
            }

            var inputs = mesh.EndpointsOf(service);
            var isSame = before is not null && before.Inputs == inputs && ReferenceEquals(before.Service, service) && ReferenceEquals(before.Self, self);
            if (isSame && ReferenceEquals(before!.Mesh.Requests, mesh.Requests))
            {
                made = before with { Mesh = mesh };
            }
            else
            {
                var policy = BackendPolicy.Of(mesh, self, service, Key.Port, Key.Subset);
                var isSamePolicy = before is not null && before.Policy == policy;
                var limits = before?.Limits;
                if (limits?.Settings != policy.ConnectionPool)
                {
                    (retired, limits) = (limits, policy.ConnectionPool is { } settings ? new BackendLimits(settings, _owner.Options) : null);
                }

                if (isSame && isSamePolicy && ReferenceEquals(before!.Mesh.Requests.WorkloadLabels, mesh.Requests.WorkloadLabels))
                {
                    made = before with { Mesh = mesh, Session = SessionOf(mesh, service) };
                }
                else
                {
                    Detect(before?.Policy.OutlierDetection, policy.OutlierDetection);
                    Join(
                        policy.IsSubsetUnknown ? [] : BackendEndpoint.All(mesh, self, service, Key.Port, policy.Labels, Key.Subset),
                        workload => EndpointWay.Of(self, service, Key.Port, workload),
                        workload => policy.SidecarOf(mesh, workload) is not null,
                        isFirst: before is null);
                    made = new BackendView(this, mesh, self, service, inputs, policy, limits, SetOf(mesh, self, policy)) { Session = SessionOf(mesh, service) };
                }
            }

            Volatile.Write(ref _view, made);
        }

        if (retired is not null)
        {
            _owner.Retired(retired);
        }

        return made;
    }

    private static SessionPersistence? SessionOf(MeshSnapshot mesh, MeshService service) => mesh.Requests.Sessions.GetValueOrDefault(service.Key);

    private EndpointSet SetOf(MeshSnapshot mesh, Workload self, BackendPolicy policy) =>
        new(LocalityTiers.Of(mesh, self, policy.Balancer, policy.OutlierDetection, _endpoints), policy.Balancer, _owner.Time);

    private void Detect(OutlierDetection? before, OutlierDetection? rule)
    {
        if (before == rule)
        {
            return;
        }

        _sweep?.Dispose();
        _sweep = null;

        // Who was left out by another rule is let in, and is watched anew.
        _states = [];
        _detector = rule is null ? null : new OutlierDetector(rule, _owner.Time, Changed);
        if (_detector is { } detector && !_ended)
        {
            _sweep = _owner.Time.CreateTimer(static state => ((OutlierDetector)state!).Sweep(), detector, rule!.Interval, rule.Interval);
        }
    }

    private void Join(IReadOnlyList<BackendEndpoint> found, Func<Workload, EndpointWay?> wayTo, Func<Workload, bool> hasSidecar, bool isFirst)
    {
        var states = new Dictionary<(string, IPEndPoint), EndpointState>(found.Count);
        var endpoints = new RankedEndpoint[found.Count];
        for (var i = 0; i < found.Count; i++)
        {
            var key = (found[i].Workload.Uid, found[i].Address);
            var way = wayTo(found[i].Workload);
            if (_states.TryGetValue(key, out var state) && state.Way == way)
            {
                state.Workload = found[i].Workload;
            }
            else
            {
                state = new EndpointState(found[i].Workload, found[i].Address, _detector) { Way = way, Joined = isFirst ? 0 : Math.Max(1, _owner.Time.GetTimestamp()) };
            }

            state.HasSidecar = hasSidecar(found[i].Workload);
            state.Share = found[i].Share;
            states[key] = state;
            endpoints[i] = new RankedEndpoint(state, found[i].Rank);
        }

        _states = states;
        Volatile.Write(ref _endpoints, endpoints);
        _detector?.Watch([.. endpoints.Select(static endpoint => endpoint.State)]);
    }

    /// <summary>An endpoint was left out, or let in.</summary>
    private void Changed(EndpointState endpoint)
    {
        lock (_gate)
        {
            if (_view is not { } view)
            {
                return;
            }

            Volatile.Write(ref _view, view with { Set = SetOf(view.Mesh, view.Self, view.Policy) });
        }

        _owner.Ejected(this, endpoint);
    }
}

/// <summary>Which backend.</summary>
/// <param name="Service">Key of the service.</param>
/// <param name="Port">Port of the service.</param>
/// <param name="Subset">Subset of its endpoints; null: all of them.</param>
internal readonly record struct BackendKey(string Service, int Port, string? Subset)
{
    /// <inheritdoc/>
    public override string ToString() => Subset is null ? $"{Service}:{Port}" : $"{Service}:{Port} subset {Subset}";
}
