using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Requests.Upstreams.Balancing;

/// <summary>When endpoints are left out, for how long, and how many at a time, as Envoy's outlier detection has it.</summary>
public sealed class OutlierDetectorTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<string> _changes = [];

    [Fact]
    public void FiveErrorsInARow_LeaveItOut_AndItComesBackInTime()
    {
        var (detector, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = 50 });
        Answer(endpoints[0], 500, 500, 503, 502);
        Assert.False(endpoints[0].IsEjected);
        Answer(endpoints[0], 599);
        Assert.True(endpoints[0].IsEjected);
        Assert.Equal(1, detector.Ejected);

        _time.Advance(TimeSpan.FromSeconds(29));
        detector.Sweep();
        Assert.True(endpoints[0].IsEjected);
        _time.Advance(TimeSpan.FromSeconds(1));
        detector.Sweep();
        Assert.False(endpoints[0].IsEjected);
        Assert.Equal(["pod-0 out", "pod-0 in"], _changes);
    }

    [Fact]
    public void OneSuccess_BeginsTheRowAnew()
    {
        var (_, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = 50 });
        Answer(endpoints[0], 500, 500, 500, 500, 404, 500, 500, 500, 500);
        Assert.False(endpoints[0].IsEjected);
    }

    [Fact]
    public void EachTime_LastsLonger_UntilTheLongest_AndLessAfterQuietRounds()
    {
        var (detector, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = 50, Consecutive5xxErrors = 1, BaseEjectionTime = TimeSpan.FromSeconds(100) });
        foreach (var seconds in new[] { 100, 200, 300, 300 })
        {
            Answer(endpoints[0], 500);
            _time.Advance(TimeSpan.FromSeconds(seconds - 1));
            detector.Sweep();
            Assert.True(endpoints[0].IsEjected, $"{seconds} s");
            _time.Advance(TimeSpan.FromSeconds(1));
            detector.Sweep();
            Assert.False(endpoints[0].IsEjected, $"{seconds} s");
        }

        detector.Sweep();
        detector.Sweep();
        detector.Sweep();
        Answer(endpoints[0], 500);
        Assert.Equal(TimeSpan.FromSeconds(200), detector.TimeOf(endpoints[0].Record));
    }

    [Theory]
    [InlineData(4, 25, 1)]
    [InlineData(4, 24, 0)]
    [InlineData(9, 10, 0)]
    [InlineData(10, 10, 1)]
    [InlineData(4, 100, 4)]
    public void MaxEjectionPercent_IsNotPassed(int count, int percent, int expected)
    {
        var (detector, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = percent, Consecutive5xxErrors = 1 }, count);
        Array.ForEach(endpoints, endpoint => Answer(endpoint, 500));
        Assert.Equal(expected, detector.Ejected);
        Assert.Equal(expected, endpoints.Count(endpoint => endpoint.IsEjected));
    }

    [Fact]
    public void GatewayErrors_AreARowOfTheirOwn()
    {
        var (_, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = 100, Consecutive5xxErrors = 0, ConsecutiveGatewayErrors = 2 });
        Answer(endpoints[0], 500, 500, 500, 502, 500, 504);
        Assert.False(endpoints[0].IsEjected);
        Answer(endpoints[0], 503);
        Assert.True(endpoints[0].IsEjected);
    }

    [Fact]
    public void FailuresWithoutAnAnswer_CountAsGatewayErrors_UnlessTheyAreSplit()
    {
        var (_, together) = Detector(new OutlierDetection { MaxEjectionPercent = 100, Consecutive5xxErrors = 3, ConsecutiveGatewayErrors = 2 });
        together[0].Failed(timedOut: false);
        together[0].Failed(timedOut: true);
        Assert.True(together[0].IsEjected);

        var (_, split) = Detector(new OutlierDetection { MaxEjectionPercent = 100, Consecutive5xxErrors = 2, SplitsLocalOriginErrors = true, ConsecutiveLocalOriginFailures = 3 });
        split[0].Failed(timedOut: false);
        split[0].Failed(timedOut: false);
        split[0].Answered(500);
        split[0].Failed(timedOut: false);
        split[0].Failed(timedOut: false);
        Assert.False(split[0].IsEjected);
        split[0].Failed(timedOut: true);
        Assert.True(split[0].IsEjected);
    }

    [Fact]
    public void ErrorCodes_StandInPlaceOf5xx()
    {
        var (_, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = 100, Consecutive5xxErrors = 2, ErrorCodes = [429] });
        Answer(endpoints[0], 500, 500, 500);
        Assert.False(endpoints[0].IsEjected);
        Answer(endpoints[0], 429, 429);
        Assert.True(endpoints[0].IsEjected);
    }

    [Fact]
    public async Task ManyThreads_LeaveOutNoMoreThanTheyMay()
    {
        var (detector, endpoints) = Detector(new OutlierDetection { MaxEjectionPercent = 30, Consecutive5xxErrors = 3 }, 20);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 2000; i++)
            {
                endpoints[i % 20].Answered(500);
            }
        })));
        Assert.Equal(6, detector.Ejected);
        Assert.Equal(6, endpoints.Count(endpoint => endpoint.IsEjected));
    }

    private (OutlierDetector Detector, EndpointState[] Endpoints) Detector(OutlierDetection rule, int count = 4)
    {
        var detector = new OutlierDetector(rule, _time, endpoint =>
        {
            lock (_changes)
            {
                _changes.Add($"{endpoint.Workload.Name} {(endpoint.IsEjected ? "out" : "in")}");
            }
        });
        EndpointState[] endpoints = [.. Enumerable.Range(0, count).Select(number => TestEndpoints.Of(number, detector: detector))];
        detector.Watch(endpoints);
        return (detector, endpoints);
    }

    private static void Answer(EndpointState endpoint, params int[] statuses) => Array.ForEach(statuses, endpoint.Answered);
}
