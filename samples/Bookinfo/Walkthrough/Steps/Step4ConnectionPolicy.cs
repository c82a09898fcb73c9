namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Who may connect, by identity: held by the ztunnel beside the destination.</summary>
internal sealed class Step4ConnectionPolicy : IStep
{
    public string Title => "Layer 4 policy: sleep and the gateway may connect, notsleep may not";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        stage.Apply("productpage-viewer-l4.yaml", "principals sleep and bookinfo-gateway-istio", "productpage-viewer.yaml");

        var refused = await stage.TryUntilAsync(stage.NotSleep, HttpMethod.Get, Stage.ProductPageUrl, answer => !answer.IsProductPage, cancellation);
        tell.Check(refused.IsReset, "notsleep's connection is reset");
        var direct = await stage.TryAsync(stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, cancellation);
        tell.Check(direct.IsProductPage, "sleep reaches productpage");
        var throughGateway = await stage.TryAsync(stage.Sleep, HttpMethod.Get, stage.GatewayUrl, cancellation);
        tell.Check(throughGateway.IsProductPage, "sleep reaches productpage through the gateway");

        var mark = stage.NodeB.Process.Mark();
        refused = await stage.TryAsync(stage.NotSleep, HttpMethod.Get, Stage.ProductPageUrl, cancellation);
        tell.Check(refused.IsReset, "notsleep's next connection is reset too");
        var line = await stage.NodeB.WaitForAccessAsync(
            mark,
            line => line["direction"] == "inbound" && line["src.identity"] == "spiffe://cluster.local/ns/default/sa/notsleep" && line["error"] is not null,
            cancellation);
        if (line is not null)
        {
            tell.Seen($"{stage.NodeB.Name} log: {line.Brief}");
        }

        tell.Check(
            line?["error"]?.Contains("default/productpage-viewer", StringComparison.Ordinal) == true,
            "the log of the ztunnel that refused it names the policy, default/productpage-viewer");
    }
}
