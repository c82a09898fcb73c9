using System.Collections.Concurrent;
using System.Diagnostics;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Reviews by weight, then moved over and back while requests flow.</summary>
internal sealed class Step6TrafficSplit : IStep
{
    private const int Requests = 500;
    private const int AtOnce = 4;
    private const double Confidence = 0.999;

    public string Title => "Reviews 90/10 by HTTPRoute, then 0/100 and back under load";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        stage.Apply("route-reviews-90-10.yaml", "reviews-v1 weight 90, reviews-v2 weight 10", "route-reviews.yaml");
        await SettleAsync(stage, cancellation);
        await SplitAsync(stage, cancellation);
        await MoveAsync(stage, cancellation);
    }

    // Before the route, v3 has its share: once it is gone for a while the route is in force.
    private static async Task SettleAsync(Stage stage, CancellationToken cancellation)
    {
        var inRow = 0;
        await Stage.UntilAsync(
            async () =>
            {
                var answer = await stage.Sleep.SendAsync(HttpMethod.Get, Stage.ProductPageUrl, cancellation);
                inRow = Version(answer) is "v1" or "v2" ? inRow + 1 : 0;
                return inRow >= 25;
            },
            Stage.Patience,
            cancellation);
    }

    private static async Task SplitAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        tell.Try($"sleep: {Requests} x GET {Stage.ProductPageUrl}, {AtOnce} at a time, a connection each");
        var started = Stopwatch.GetTimestamp();
        var counts = new ConcurrentDictionary<string, int>();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Requests),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation },
            async (_, stopping) =>
            {
                var answer = await stage.Sleep.SendAsync(HttpMethod.Get, Stage.ProductPageUrl, stopping);
                counts.AddOrUpdate(Version(answer), 1, (_, count) => count + 1);
            });

        var elapsed = Stopwatch.GetElapsedTime(started);
        int Of(string version) => counts.GetValueOrDefault(version);
        var interval = BinomialInterval.Central(Requests, 0.1, Confidence);
        tell.Came($"v1 {Of("v1")}, v2 {Of("v2")}, v3 {Of("v3")}, without reviews {Requests - Of("v1") - Of("v2") - Of("v3")}   ({elapsed.TotalSeconds:F1} s, {Requests / elapsed.TotalSeconds:F0} pages/s)");
        tell.Check(Of("v1") + Of("v2") == Requests, $"all {Requests} pages have reviews, by v1 or v2");
        tell.Check(
            interval.Contains(Of("v2")),
            $"v2 served {100.0 * Of("v2") / Requests:F1} %: {Of("v2")} lies in the 99.9 % binomial interval for a tenth of {Requests}, {interval.Low} to {interval.High}");
    }

    private static async Task MoveAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        using var flow = new RequestFlow(stage.Sleep, AtOnce / 2, cancellation);
        tell.Try($"sleep: GET {Stage.ProductPageUrl} without pause, {AtOnce / 2} at a time, while the route changes");
        await flow.NextAsync(20, cancellation);

        stage.Apply("route-reviews-0-100.yaml", "all to reviews-v2", "route-reviews.yaml");
        var moved = await flow.WaitForRowAsync(40, page => Version(page) == "v2", Stage.Patience, cancellation);
        tell.Check(moved is not null, $"all of it goes to v2{After(moved)}");

        stage.Apply("route-reviews-90-10.yaml", "and back", "route-reviews.yaml");
        var back = await flow.WaitForRowAsync(1, page => Version(page) == "v1", Stage.Patience, cancellation);
        tell.Check(back is not null, $"v1 serves again{After(back)}");
        await flow.NextAsync(20, cancellation);

        var (total, failures) = await flow.StopAsync();
        tell.Came($"{total} requests meanwhile, {failures.Count} failed");
        foreach (var failure in failures.Take(3))
        {
            tell.Seen(failure.Describe());
        }

        tell.Check(failures.Count == 0 && total > 0, "not one request failed while the route changed");
    }

    private static string After(TimeSpan? elapsed) => elapsed is { } time ? $", first seen {time.TotalMilliseconds:F0} ms after the change" : "";

    // "reviews-v1-0" -> "v1"; a page without reviews is no version at all.
    private static string Version(Answer answer) =>
        answer is { IsProductPage: true, ReviewsServedBy: { } pod } && pod.Split('-') is [_, var version, ..] ? version : "none";
}
