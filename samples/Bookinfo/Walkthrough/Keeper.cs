using Ambient.Samples.Bookinfo.Walkthrough.Steps;

namespace Ambient.Samples.Bookinfo.Walkthrough;

/// <summary>Holds the mesh up after the steps, and keeps doing what kubelets do: start what appears, start again what ended.</summary>
internal static class Keeper
{
    /// <summary>Returns never; ends by cancellation.</summary>
    public static async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        Explain(stage);
        while (true)
        {
            await Task.Delay(250, cancellation);
            try
            {
                foreach (var change in await stage.Kubelet.RestartEndedAsync(cancellation))
                {
                    stage.Tell.Note(change);
                }

                foreach (var change in await stage.Kubelet.ReconcileAsync(cancellation))
                {
                    stage.Tell.Note(change);
                }
            }
            catch (InvalidOperationException problem)
            {
                stage.Tell.Note(problem.Message);
                await Task.Delay(2000, cancellation);
            }
        }
    }

    private static void Explain(Stage stage)
    {
        var tell = stage.Tell;
        tell.Heading("The mesh stays up until Ctrl-C");
        tell.Note($"edit, add or remove manifests in   {stage.Manifests.Path}");
        tell.Note($"ingress gateway                    http://{stage.AddressOf("bookinfo-gateway-istio")}:{stage.GatewayPort}/productpage");
        tell.Note("");
        tell.Row(stage.Sleep.Command(HttpMethod.Get, Stage.ProductPageUrl));
        tell.Row(stage.NotSleep.Command(HttpMethod.Get, Stage.ProductPageUrl));
        tell.Row(stage.Sleep.Command(HttpMethod.Delete, Stage.ProductPageUrl));
        tell.Note("");
        foreach (var host in stage.Kubelet.Hosts)
        {
            tell.Note($"{host.Name,-28} pid {host.Process.Id,-8} {string.Join(' ', stage.Network.CommandAt(host.Place, "curl", $"http://127.0.0.1:{host.Ports.Admin}"))}   metrics http://127.0.0.1:{host.Ports.Metrics}/metrics");
        }

        tell.Note("a process that ends is started again, as a kubelet would");
    }
}
