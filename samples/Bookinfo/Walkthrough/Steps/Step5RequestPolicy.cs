using System.Net;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Who may do what, by identity and method: held by the namespace's waypoint.</summary>
internal sealed class Step5RequestPolicy : IStep
{
    private const string Denied = "RBAC: access denied";

    public string Title => "A waypoint, and a layer 7 policy: sleep may GET, nobody may do anything else";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        stage.Apply("waypoint.yaml", "Gateway waypoint, class istio-waypoint");
        await stage.SettleAsync(mesh => mesh.Requests.Gateways.ContainsKey("default/waypoint"), cancellation);
        await stage.Waypoint.WaitReadyAsync(TimeSpan.FromSeconds(30), cancellation);
        tell.Note($"{stage.Waypoint.Name} is ready, pid {stage.Waypoint.Process.Id}, on {stage.AddressOf("waypoint")}:15008");
        stage.Apply("namespace-ambient-waypoint.yaml", "istio.io/use-waypoint=waypoint", "namespace.yaml");
        stage.Apply("productpage-viewer-l7.yaml", "principal sleep, methods GET, replaces the layer 4 policy", "productpage-viewer.yaml");

        var notsleep = await stage.TryUntilAsync(
            stage.NotSleep, HttpMethod.Get, Stage.ProductPageUrl, answer => answer.Status == HttpStatusCode.Forbidden, cancellation);
        tell.Check(IsDenied(notsleep), $"notsleep gets 403 \"{Denied}\"");
        var delete = await stage.TryAsync(stage.Sleep, HttpMethod.Delete, Stage.ProductPageUrl, cancellation);
        tell.Check(IsDenied(delete), $"sleep's DELETE gets 403 \"{Denied}\"");
        var get = await stage.TryUntilAsync(stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, answer => answer.IsProductPage, cancellation);
        tell.Check(get.IsProductPage, "sleep's GET succeeds");

        var metrics = await stage.Waypoint.ScrapeAsync(cancellation);
        var allowed = metrics.Sum("istio_requests_total", ("response_code", "200"), ("destination_service_name", "productpage"));
        var denied = metrics.Sum("istio_requests_total", ("response_code", "403"), ("destination_service_name", "productpage"));
        tell.Seen($"{stage.Waypoint.Name} metrics: istio_requests_total for productpage, {allowed} with response_code=\"200\", {denied} with \"403\"");
        tell.Check(allowed >= 1 && denied >= 2, "the waypoint counted the requests that it let through and those it refused");
    }

    private static bool IsDenied(Answer answer) =>
        answer.Status == HttpStatusCode.Forbidden && answer.Body.Trim() == Denied;
}
