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
        var sleep = stage.Sleep.Socks;
        tell.Heading("The mesh stays up until Ctrl-C");
        tell.Note($"edit, add or remove manifests in   {stage.Manifests.Path}");
        tell.Note($"sleep's SOCKS5 door                {sleep}");
        tell.Note($"notsleep's SOCKS5 door             {stage.NotSleep.Socks}");
        tell.Note($"ingress gateway                    http://{stage.AddressOf("bookinfo-gateway-istio")}:{stage.GatewayPort}/productpage");
        tell.Note("");
        tell.Row($"curl --socks5-hostname {sleep} http://productpage:9080/productpage");
        tell.Row($"curl --socks5-hostname {stage.NotSleep.Socks} http://productpage:9080/productpage");
        tell.Row($"curl --socks5-hostname {sleep} -X DELETE http://productpage:9080/productpage");
        tell.Note("");
        foreach (var host in stage.Kubelet.Hosts)
        {
            tell.Note($"{host.Name,-28} pid {host.Process.Id,-8} admin http://127.0.0.1:{host.Ports.Admin}   metrics http://127.0.0.1:{host.Ports.Metrics}/metrics");
        }

        tell.Note("a process that ends is started again, as a kubelet would");
    }
}
