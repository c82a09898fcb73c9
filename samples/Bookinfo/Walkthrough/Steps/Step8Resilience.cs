using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>An endpoint that fails: what is sent to it is sent again elsewhere, and after a few failures it gets nothing for a while.</summary>
internal sealed class Step8Resilience : IStep
{
    private const string Failing = "reviews-v2-0";

    // The words of the waypoint's log.
    private const string LeftOut = "is left out of";

    public string Title => "A pod of reviews dies: tried again elsewhere, ejected, and back";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        stage.Apply("reviews-resilient.yaml", "retries, and ejection after three failures", "route-reviews.yaml");
        var all = await stage.TryUntilAsync(stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, answer => IsBy(answer, "reviews-v3-0"), cancellation);
        tell.Check(all.IsProductPage, "all versions of reviews serve");

        using var flow = new RequestFlow(stage.Sleep, 2, cancellation);
        tell.Try($"sleep: GET {Stage.ProductPageUrl} without pause, 2 at a time, while {Failing} is killed");
        await flow.NextAsync(20, cancellation);
        var mark = stage.Waypoint.Process.Mark();
        await stage.Kubelet.KillAppAsync(Failing);
        var ejected = await Stage.UntilAsync(
            () => Task.FromResult(stage.Waypoint.Process.Since(mark).Any(line => line.Contains(LeftOut, StringComparison.Ordinal) && line.Contains(Failing, StringComparison.Ordinal))),
            Stage.Patience,
            cancellation);
        foreach (var line in stage.Waypoint.Process.Since(mark).Where(line => line.Contains(LeftOut, StringComparison.Ordinal)).Take(1))
        {
            tell.Seen($"{stage.Waypoint.Name} log: {line}");
        }

        tell.Check(ejected, $"{Failing} was ejected");
        await stage.Kubelet.ReconcileAsync(cancellation);
        var back = await flow.WaitForRowAsync(1, answer => IsBy(answer, Failing), Stage.Patience, cancellation);
        tell.Check(back is not null, $"{Failing} is started again, and serves once its time is over{(back is { } time ? $", {time.TotalSeconds:F1} s later" : "")}");

        var (total, failures) = await flow.StopAsync();
        tell.Came($"{total} requests meanwhile, {failures.Count} failed");
        foreach (var failure in failures.Take(3))
        {
            tell.Seen(failure.Describe());
        }

        tell.Check(failures.Count == 0 && total > 0, "not one request failed");
        stage.Apply("route-reviews-90-10.yaml", "nine in ten to v1 again", "route-reviews.yaml");
    }

    private static bool IsBy(Answer answer, string pod) => answer is { IsProductPage: true, ReviewsServedBy: { } served } && served == pod;
}
