using System.Net;
using Ambient.Hbone.Admission;
using Ambient.Node.Connections;
using Ambient.Node.Tests.Discovery;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Connections;

public sealed class AdmissionLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLogger _log = new();

    [Fact]
    public void Refusals_AreToldAtOnce_AndThenWithTheirNumber_AndTheSettingThatAdmitsMore()
    {
        var budget = AdmissionLog.OfProcess(inAll: 2, perPeer: 1, _log, _time);
        var (one, other) = (IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2"));
        using var first = budget.TryOpen(one);
        for (var i = 0; i < 10; i++)
        {
            Assert.Null(budget.TryOpen(one));
        }

        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.Null(budget.TryOpen(one));
        using var second = budget.TryOpen(other);
        Assert.Null(budget.TryOpen(IPAddress.Parse("10.0.0.3")));

        Assert.Equal(
            [
                "Warning: HBONE connections are refused: 10.0.0.1 has 1 connections open, the limit for one address (refused since the last such line: 1, since the start: 1). To admit more, raise AMBIENT_MAX_CONNECTIONS_PER_PEER",
                "Warning: HBONE connections are refused: 10.0.0.1 has 1 connections open, the limit for one address (refused since the last such line: 10, since the start: 11). To admit more, raise AMBIENT_MAX_CONNECTIONS_PER_PEER",
                "Warning: HBONE connections are refused: 2 connections are open, the limit in all; 10.0.0.3 was refused (refused since the last such line: 1, since the start: 1). To admit more, raise AMBIENT_MAX_CONNECTIONS",
            ],
            _log.Lines);
    }

    [Fact]
    public void LimitWithoutASetting_NamesNone()
    {
        var budget = AdmissionLog.Budget("captured", new ConnectionLimits { MaxConnections = 1 }, static _ => null, _log, _time);
        using var only = budget.TryOpen(IPAddress.Loopback);

        Assert.Null(budget.TryOpen(IPAddress.Loopback));

        Assert.EndsWith("127.0.0.1 was refused (refused since the last such line: 1, since the start: 1)", Assert.Single(_log.Lines), StringComparison.Ordinal);
    }
}
