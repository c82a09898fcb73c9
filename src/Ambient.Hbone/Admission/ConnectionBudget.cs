using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Admission;

/// <summary>
/// The connections that are open at a host, counted against <see cref="ConnectionLimits"/>. One budget may serve many listeners, of HBONE and of
/// plain TCP: their connections then count together. Thread-safe.
/// </summary>
public sealed class ConnectionBudget
{
    private readonly Lock _gate = new();
    private readonly Dictionary<AddressKey, int> _addresses = [];
    private readonly Dictionary<SpiffeId, IdentityBudget> _identities = [];
    private readonly RefusalReports _inAll;
    private readonly RefusalReports _perAddress;
    private readonly RefusalReports _perIdentity;
    private readonly RefusalReports _handshakes;
    private int _open;

    /// <summary>Creates a budget.</summary>
    /// <param name="limits">What it admits.</param>
    /// <param name="timeProvider">Clock; the system's when null.</param>
    /// <exception cref="ArgumentException">A limit is out of range.</exception>
    public ConnectionBudget(ConnectionLimits limits, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(limits);
        limits.Validate();
        Limits = limits;
        var time = timeProvider ?? TimeProvider.System;
        _inAll = new(nameof(ConnectionLimits.MaxConnections), time);
        _perAddress = new(nameof(ConnectionLimits.MaxConnectionsPerAddress), time);
        _perIdentity = new(nameof(ConnectionLimits.MaxConnectionsPerIdentity), time);
        _handshakes = new(nameof(ConnectionLimits.MaxHandshakes), time);
        Handshakes = new HandshakeGate(limits, this, time);
    }

    /// <summary>What is admitted.</summary>
    public ConnectionLimits Limits { get; }

    /// <summary>Connections that are open at present.</summary>
    public int Open
    {
        get
        {
            lock (_gate)
            {
                return _open;
            }
        }
    }

    /// <summary>Connections and handshakes refused since the budget was made, for whatever limit.</summary>
    public long Refusals => _inAll.Total + _perAddress.Total + _perIdentity.Total + _handshakes.Total;

    /// <summary>Told of refusals: of each limit at once, and then at most every ten seconds with how many there were. Must not throw.</summary>
    public Action<ConnectionRefusal>? Refused { get; set; }

    internal HandshakeGate Handshakes { get; }

    /// <summary>Admits a connection that was accepted.</summary>
    /// <param name="address">The peer's address.</param>
    /// <returns>To be disposed of when the connection ends; null when a limit is reached: close the socket.</returns>
    public ConnectionLease? TryOpen(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var key = AddressKey.Of(address);
        bool full;
        lock (_gate)
        {
            var open = _addresses.GetValueOrDefault(key);
            full = _open >= Limits.MaxConnections;
            if (!full && open < Limits.MaxConnectionsPerAddress)
            {
                _open++;
                _addresses[key] = open + 1;
                return new ConnectionLease(this, key, address);
            }
        }

        Report(
            full ? _inAll : _perAddress,
            full ? $"{Limits.MaxConnections} connections are open, the limit in all; {address} was refused" : $"{address} has {Limits.MaxConnectionsPerAddress} connections open, the limit for one address");
        return null;
    }

    /// <summary>
    /// Begins a TLS handshake on a connection that was admitted. Where too many are under way, the oldest of this address, or of the one that has the
    /// most, is ended in favour of it (<see cref="ConnectionLimits.MaxHandshakes"/>, <see cref="ConnectionLimits.MaxHandshakesPerAddress"/>).
    /// </summary>
    /// <param name="address">The peer's address.</param>
    /// <param name="giveWay">Ends this handshake in favour of another one; must be quick and not throw. Any thread.</param>
    public HandshakePlace BeginHandshake(IPAddress address, Action giveWay)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(giveWay);
        return new HandshakePlace(Handshakes.Begin(address, giveWay));
    }

    internal IdentityBudget? TryIdentify(SpiffeId identity)
    {
        lock (_gate)
        {
            if (!_identities.TryGetValue(identity, out var budget))
            {
                _identities.Add(identity, budget = new IdentityBudget(identity, Limits.MaxBufferedBytesPerIdentity));
            }

            if (budget.Connections < Limits.MaxConnectionsPerIdentity)
            {
                budget.Connections++;
                return budget;
            }
        }

        Report(_perIdentity, $"{identity} has {Limits.MaxConnectionsPerIdentity} connections open, the limit for one identity");
        return null;
    }

    internal void Close(AddressKey address, IdentityBudget? identity)
    {
        lock (_gate)
        {
            _open--;
            if (_addresses[address] is > 1 and var open)
            {
                _addresses[address] = open - 1;
            }
            else
            {
                _addresses.Remove(address);
            }

            if (identity is not null && --identity.Connections == 0)
            {
                _identities.Remove(identity.Identity);
            }
        }
    }

    internal void ReportHandshake(string reason) => Report(_handshakes, reason);

    private void Report(RefusalReports reports, string reason)
    {
        if (reports.Count(reason) is { } report)
        {
            Refused?.Invoke(report);
        }
    }
}
