using Ambient.Hbone.Http2.Framing;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http2.Framing;

public class Http2AbuseGuardTests
{
    private static readonly Http2AbuseLimits s_limits = new()
    {
        ResetsBeforeAnswer = 5,
        Resets = 20,
        StreamErrors = 6,
        ContinuationsPerBlock = 3,
        Settings = 4,
        Pings = 7,
        EmptyFrames = 8,
        IgnoredFrames = 9,
        TinyWindowUpdates = 10,
        WindowUpdates = 30,
        Splinters = 12,
        LateFrames = 13,
        InterimResponses = 14,
        QueuedControlFrames = 11,
    };

    private readonly FakeTimeProvider _time = new();
    private readonly Http2AbuseGuard _guard;

    public Http2AbuseGuardTests() => _guard = new Http2AbuseGuard(s_limits, _time, 1000);

    public static TheoryData<string, int> Rates => new()
    {
        { nameof(Http2Abuse.RapidReset), 5 },
        { nameof(Http2Abuse.ResetFlood), 20 },
        { nameof(Http2Abuse.StreamErrorFlood), 6 },
        { nameof(Http2Abuse.SettingsFlood), 4 },
        { nameof(Http2Abuse.PingFlood), 7 },
        { nameof(Http2Abuse.EmptyFrameFlood), 8 },
        { nameof(Http2Abuse.IgnoredFrameFlood), 9 },
        { nameof(Http2Abuse.SplinterFlood), 12 },
        { nameof(Http2Abuse.LateFrameFlood), 13 },
        { nameof(Http2Abuse.InterimResponseFlood), 14 },
    };

    [Theory]
    [MemberData(nameof(Rates))]
    public void Event_OneOverTheLimitWithinTheWindow_IsNamed(string name, int limit)
    {
        var abuse = Enum.Parse<Http2Abuse>(name);
        for (var i = 0; i < limit; i++)
        {
            Do(abuse);
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }

        var exception = Assert.Throws<Http2ConnectionException>(() => Do(abuse));
        Assert.Equal((Http2ErrorCode.EnhanceYourCalm, abuse), (exception.Code, exception.Abuse));
        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void Event_LimitInEveryWindow_GoesOnForever(string name, int limit)
    {
        for (var window = 0; window < 5; window++)
        {
            for (var i = 0; i < limit; i++)
            {
                Do(Enum.Parse<Http2Abuse>(name));
            }

            _time.Advance(s_limits.Window);
        }
    }

    [Fact]
    public void OnResetReceived_Answered_IsNotARapidReset()
    {
        for (var i = 0; i < 20; i++)
        {
            _guard.OnResetReceived(answered: true);
        }
    }

    [Fact]
    public void OnContinuation_TooManyInOneBlock_IsAFlood()
    {
        for (var block = 0; block < 10; block++)
        {
            _guard.OnHeaders(1);
            for (var i = 0; i < 3; i++)
            {
                _guard.OnContinuation(1);
            }
        }

        Assert.Equal(Http2Abuse.ContinuationFlood, Assert.Throws<Http2ConnectionException>(() => _guard.OnContinuation(1)).Abuse);
    }

    [Fact]
    public void OnContinuation_TooManyBytes_IsTooLarge()
    {
        _guard.OnHeaders(900);
        _guard.OnContinuation(1000);
        Assert.Equal(Http2Abuse.HeaderBlockTooLarge, Assert.Throws<Http2ConnectionException>(() => _guard.OnContinuation(1001)).Abuse);
        Assert.Equal(Http2Abuse.HeaderBlockTooLarge, Assert.Throws<Http2ConnectionException>(() => _guard.OnHeaders(1001)).Abuse);
    }

    [Fact]
    public void OnData_EmptyWithEndStream_IsNotCounted()
    {
        for (var i = 0; i < 1000; i++)
        {
            _guard.OnData(0, endStream: true);
            _guard.OnData(1, endStream: false);
        }
    }

    [Fact]
    public void OnWindowUpdate_TinyForEachDataFrame_IsHonest()
    {
        for (var sent = 1; sent < 10_000; sent++)
        {
            _guard.OnWindowUpdate(1, sent, sent);
            _guard.OnWindowUpdate(1, sent, sent);
        }
    }

    [Fact]
    public void OnWindowUpdate_TinyForNothing_IsAFlood()
    {
        for (var i = 0; i < 10 + 12; i++)
        {
            _guard.OnWindowUpdate(1, dataFramesSent: 3, bytesSent: 3);
        }

        Assert.Equal(Http2Abuse.WindowUpdateFlood, Assert.Throws<Http2ConnectionException>(() => _guard.OnWindowUpdate(1, 3, 3)).Abuse);
        _guard.OnWindowUpdate(256, 3, 3);
    }

    [Fact]
    public void OnWindowUpdate_MoreThanTheBytesSentEarn_IsAFlood()
    {
        // 3 frames earn 12, 1280 bytes 10.
        for (var i = 0; i < 30 + 12 + 10; i++)
        {
            _guard.OnWindowUpdate(100_000, dataFramesSent: 3, bytesSent: 1280);
        }

        Assert.Equal(Http2Abuse.NeedlessWindowUpdates, Assert.Throws<Http2ConnectionException>(() => _guard.OnWindowUpdate(100_000, 3, 1280)).Abuse);
    }

    [Fact]
    public void OnWindowUpdate_ForEachKilobyteConsumed_IsHonest()
    {
        // A frame of 16 KB consumed in small pieces, each acknowledged for stream and connection.
        for (var frame = 1; frame < 1000; frame++)
        {
            for (var i = 0; i < 32; i++)
            {
                _guard.OnWindowUpdate(1024, frame, frame * 16384L);
            }
        }
    }

    [Fact]
    public void OnData_SingleKeystrokes_AreNeverCounted()
    {
        for (var i = 0; i < 100_000; i++)
        {
            _guard.OnData(1, endStream: false, splinter: false);
        }
    }

    [Fact]
    public void OnData_LargeOrLastPieces_AreNoSplinters()
    {
        for (var i = 0; i < 1000; i++)
        {
            _guard.OnData(64, endStream: false, splinter: true);
            _guard.OnData(1, endStream: true, splinter: true);
        }
    }

    [Fact]
    public void CheckControlQueue_OverTheBound_IsNamed()
    {
        _guard.CheckControlQueue(11);
        Assert.Equal(Http2Abuse.ControlQueueFull, Assert.Throws<Http2ConnectionException>(() => _guard.CheckControlQueue(12)).Abuse);
    }

    private void Do(Http2Abuse abuse)
    {
        switch (abuse)
        {
            case Http2Abuse.RapidReset:
                _guard.OnResetReceived(answered: false);
                break;
            case Http2Abuse.ResetFlood:
                _guard.OnResetReceived(answered: true);
                break;
            case Http2Abuse.StreamErrorFlood:
                _guard.OnStreamError();
                break;
            case Http2Abuse.SettingsFlood:
                _guard.OnSettings();
                break;
            case Http2Abuse.PingFlood:
                _guard.OnPing();
                break;
            case Http2Abuse.EmptyFrameFlood:
                _guard.OnData(0, endStream: false);
                break;
            case Http2Abuse.SplinterFlood:
                _guard.OnData(1, endStream: false, splinter: true);
                break;
            case Http2Abuse.LateFrameFlood:
                _guard.OnLateFrame();
                break;
            case Http2Abuse.InterimResponseFlood:
                _guard.OnInterimResponse();
                break;
            case Http2Abuse.IgnoredFrameFlood:
                _guard.OnIgnoredFrame();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(abuse));
        }
    }
}
