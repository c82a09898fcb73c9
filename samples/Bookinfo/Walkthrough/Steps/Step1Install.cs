using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Two ztunnels, one a node, and the ingress gateway, before there is anything to serve.</summary>
internal sealed class Step1Install : IStep
{
    public string Title => "Install: two ztunnels and the ingress gateway";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        stage.Apply("namespace.yaml", "the namespace, not enrolled");
        stage.Manifests.ApplyFirstDocument("bookinfo-gateway.yaml");
        stage.Tell.Apply("bookinfo-gateway.yaml   its Gateway only; the route follows in step 2");
        stage.Kubelet.StartZtunnel("node-a");
        stage.Kubelet.StartZtunnel("node-b");
        await stage.SettleAsync(mesh => mesh.Requests.Gateways.ContainsKey("default/bookinfo-gateway"), cancellation);

        foreach (var host in stage.Kubelet.Hosts)
        {
            stage.Tell.Try($"GET http://127.0.0.1:{host.Ports.Readiness}/healthz/ready   ({host.Name}, pid {host.Process.Id})");
            await host.WaitReadyAsync(TimeSpan.FromSeconds(30), cancellation);
            stage.Tell.Came("200 ready");
            stage.Tell.Check(!host.Process.HasExited, $"{host.Name} runs and is ready");
        }

        var address = stage.AddressOf("bookinfo-gateway-istio");
        var url = $"http://{address}:{stage.GatewayPort}/productpage";
        stage.Tell.Try($"GET {url}   (the gateway's own address)");
        var answer = await DirectAsync(stage, url, cancellation);
        stage.Tell.Came(answer.Describe());
        stage.Tell.Check(answer.Status == System.Net.HttpStatusCode.NotFound, "the gateway listens and, without a route, answers 404");
    }

    private static async Task<Answer> DirectAsync(Stage stage, string url, CancellationToken cancellation)
    {
        using var client = stage.Kubelet.HttpFrom("node-a");
        try
        {
            using var response = await client.GetAsync(new Uri(url), cancellation);
            return new Answer(response.StatusCode, await response.Content.ReadAsStringAsync(cancellation), null, TimeSpan.Zero);
        }
        catch (HttpRequestException failure)
        {
            return Answer.From(failure, TimeSpan.Zero);
        }
    }
}
