using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>
/// Leaves endpoints of one backend out that fail, and lets them back in, as Envoy's outlier detection does with consecutive failures. Nothing else is
/// compared: no rates of success.
/// </summary>
/// <param name="rule">When.</param>
/// <param name="time">Clock.</param>
/// <param name="changed">Told, under no lock, that an endpoint was left out or let in.</param>
internal sealed class OutlierDetector(OutlierDetection rule, TimeProvider time, Action<EndpointState> changed)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(300);

    private readonly Lock _gate = new();
    private EndpointState[] _endpoints = [];
    private int _ejected;

    /// <summary>The rule.</summary>
    public OutlierDetection Rule => rule;

    /// <summary>Endpoints that are left out now.</summary>
    public int Ejected => Volatile.Read(ref _ejected);

    /// <summary>Sets whom it watches; who left takes its ejection along.</summary>
    public void Watch(EndpointState[] endpoints)
    {
        lock (_gate)
        {
            _endpoints = endpoints;
            _ejected = endpoints.Count(static endpoint => endpoint.IsEjected);
        }
    }

    /// <summary>An endpoint answered.</summary>
    public void Answered(EndpointState endpoint, int status)
    {
        if (rule.SplitsLocalOriginErrors)
        {
            Volatile.Write(ref endpoint.Record.LocalFailures, 0);
        }

        Count(endpoint, status);
    }

    /// <summary>An endpoint did not answer.</summary>
    public void Failed(EndpointState endpoint, bool timedOut)
    {
        if (!rule.SplitsLocalOriginErrors)
        {
            Count(endpoint, timedOut ? 504 : 503);
        }
        else if (Interlocked.Increment(ref endpoint.Record.LocalFailures) == rule.ConsecutiveLocalOriginFailures)
        {
            // Counted from 0 again whether it is left out or not: else one that may not be left out now would never be again.
            Volatile.Write(ref endpoint.Record.LocalFailures, 0);
            Eject(endpoint, "consecutive local origin failures");
        }
    }

    /// <summary>Lets those in whose time is over. Called every <see cref="OutlierDetection.Interval"/>.</summary>
    public void Sweep()
    {
        List<EndpointState>? back = null;
        lock (_gate)
        {
            foreach (var endpoint in _endpoints)
            {
                var record = endpoint.Record;
                if (!record.IsEjected)
                {
                    // Each round without trouble is one time less that the next one lasts.
                    record.Multiplier = Math.Max(0, record.Multiplier - 1);
                }
                else if (time.GetElapsedTime(record.Changed) >= TimeOf(record))
                {
                    (record.Failures, record.GatewayFailures, record.LocalFailures) = (0, 0, 0);
                    record.Changed = time.GetTimestamp();
                    Volatile.Write(ref record.IsEjected, false);
                    _ejected--;
                    (back ??= []).Add(endpoint);
                }
            }
        }

        foreach (var endpoint in back ?? [])
        {
            changed(endpoint);
        }
    }

    /// <summary>How long an endpoint is left out.</summary>
    public TimeSpan TimeOf(OutlierRecord record)
    {
        var longest = rule.BaseEjectionTime > s_longest ? rule.BaseEjectionTime : s_longest;
        var asked = rule.BaseEjectionTime * Math.Max(1, record.Multiplier);
        return asked < longest ? asked : longest;
    }

    private void Count(EndpointState endpoint, int status)
    {
        var record = endpoint.Record;
        var failed = rule.ErrorCodes.IsEmpty ? status is >= 500 and <= 599 : rule.ErrorCodes.Contains(status);
        if (!failed)
        {
            // Read first: the usual case must not make the line of memory travel between processors.
            if (Volatile.Read(ref record.Failures) != 0)
            {
                Volatile.Write(ref record.Failures, 0);
            }

            if (Volatile.Read(ref record.GatewayFailures) != 0)
            {
                Volatile.Write(ref record.GatewayFailures, 0);
            }

            return;
        }

        if (status is >= 502 and <= 504)
        {
            if (Interlocked.Increment(ref record.GatewayFailures) == rule.ConsecutiveGatewayErrors)
            {
                Volatile.Write(ref record.GatewayFailures, 0);
                Eject(endpoint, "consecutive gateway errors");
            }
        }
        else
        {
            Volatile.Write(ref record.GatewayFailures, 0);
        }

        if (Interlocked.Increment(ref record.Failures) == rule.Consecutive5xxErrors)
        {
            Volatile.Write(ref record.Failures, 0);
            Eject(endpoint, "consecutive errors");
        }
    }

    private void Eject(EndpointState endpoint, string reason)
    {
        lock (_gate)
        {
            var record = endpoint.Record;
            if (record.IsEjected || !_endpoints.Contains(endpoint) || 100L * (_ejected + 1) > (long)rule.MaxEjectionPercent * _endpoints.Length)
            {
                return;
            }

            record.Multiplier++;
            record.Ejections++;
            record.Reason = reason;
            record.Changed = time.GetTimestamp();
            Volatile.Write(ref record.IsEjected, true);
            _ejected++;
        }

        changed(endpoint);
    }
}
