using System.Net;
using Ambient.Hbone.Admission;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Admission;

/// <summary>Turns before authentication: who gets one, who gives way, and what failing costs.</summary>
public sealed class HandshakeGateTests
{
    private static readonly IPAddress Flooder = IPAddress.Parse("10.0.0.66");
    private static readonly IPAddress Honest = IPAddress.Parse("10.0.0.1");
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Turn_HonestAddressBehindAFlood_IsNextButOne()
    {
        var gate = Gate();
        var worker = Begin(gate, Flooder);
        await worker.EnterAsync();
        var flood = Enumerable.Range(0, 50).Select(_ => Begin(gate, Flooder)).ToArray();
        var waiting = flood.Select(turns => turns.EnterAsync().AsTask()).ToArray();
        var honest = Begin(gate, Honest);
        var mine = honest.EnterAsync().AsTask();
        Assert.False(mine.IsCompleted);

        worker.Leave();
        await waiting[0].WaitAsync(HbonePair.Patience);
        flood[0].Leave();

        await mine.WaitAsync(HbonePair.Patience);
        Assert.False(waiting[1].IsCompleted);
    }

    [Fact]
    public async Task Turn_AfterFailures_TheAddressWaitsAndOthersDoNot()
    {
        var gate = Gate();
        var failing = Begin(gate, Flooder);
        await failing.EnterAsync();
        _time.Advance(TimeSpan.FromMilliseconds(100));
        failing.End(failed: true);

        var again = Begin(gate, Flooder);
        var turn = again.EnterAsync().AsTask();
        var honest = Begin(gate, Honest);
        await honest.EnterAsync().AsTask().WaitAsync(HbonePair.Patience);
        honest.End(failed: false);

        _time.Advance(TimeSpan.FromMilliseconds(800));
        Assert.False(turn.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(150));
        await turn.WaitAsync(HbonePair.Patience);
    }

    [Fact]
    public void Begin_InAllFull_TheOldestOfTheLargestGivesWay()
    {
        var gate = Gate(new ConnectionLimits { MaxHandshakes = 4, MaxHandshakesPerAddress = 4 });
        var gaveWay = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var name = $"flooder {i}";
            gate.Begin(Flooder, () => gaveWay.Add(name));
        }

        gate.Begin(Honest, () => gaveWay.Add("honest"));
        gate.Begin(IPAddress.Parse("10.0.0.2"), () => gaveWay.Add("another"));

        Assert.Equal(["flooder 0"], gaveWay);
        Assert.Equal(4, gate.InFlight);
    }

    [Fact]
    public void Begin_OneAddressFull_ItsOwnOldestGivesWay()
    {
        var gate = Gate(new ConnectionLimits { MaxHandshakes = 100, MaxHandshakesPerAddress = 2 });
        var gaveWay = new List<string>();
        gate.Begin(Honest, () => gaveWay.Add("honest"));
        gate.Begin(Flooder, () => gaveWay.Add("first"));
        gate.Begin(Flooder, () => gaveWay.Add("second"));
        gate.Begin(Flooder, () => gaveWay.Add("third"));

        Assert.Equal(["first"], gaveWay);
    }

    [Fact]
    public void End_ManyAddresses_LeavesNothingBehind()
    {
        var gate = Gate();
        for (var i = 0; i < 10_000; i++)
        {
            Begin(gate, new IPAddress(i + 1)).End(failed: i % 2 == 0);
        }

        Assert.Equal(0, gate.InFlight);
        Assert.Equal(0, gate.Addresses);
    }

    [Fact]
    public void AddressKey_IsTheNetworkOfAnIPv6Address()
    {
        Assert.Equal(AddressKey.Of(IPAddress.Parse("2001:db8::1")), AddressKey.Of(IPAddress.Parse("2001:db8::ffff:0:2")));
        Assert.NotEqual(AddressKey.Of(IPAddress.Parse("2001:db8::1")), AddressKey.Of(IPAddress.Parse("2001:db8:0:1::1")));
        Assert.Equal(AddressKey.Of(IPAddress.Parse("10.0.0.1")), AddressKey.Of(IPAddress.Parse("::ffff:10.0.0.1")));
        Assert.NotEqual(AddressKey.Of(IPAddress.Parse("10.0.0.1")), AddressKey.Of(IPAddress.Parse("10.0.0.2")));
    }

    private HandshakeGate Gate(ConnectionLimits? limits = null) =>
        new(limits ?? new ConnectionLimits(), new ConnectionBudget(new ConnectionLimits(), _time), _time, width: 1);

    private static HandshakeTurns Begin(HandshakeGate gate, IPAddress address) => gate.Begin(address, () => { });
}
