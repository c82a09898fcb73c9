using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// What a ztunnel's start costs in a large mesh: processor time, and memory at most and afterwards, from ztunnel's local file and over xDS.
/// </summary>
internal sealed class StartSection(SideBySideOptions options, BenchNetwork network, Figures figures, string folder, CancellationToken cancellationToken)
{
    private const string Now = "start";
    private const string Baseline = Now + Figures.OfBaseline;
    private const int Port = 15913;
    private const int Services = 5000;

    private static readonly (string Source, int Workloads, double Most)[] s_sources = [("the local file", 100_000, 0.5), ("xDS", 50_000, 0.45)];

    internal async Task RunAsync()
    {
        var local = Path.Combine(folder, "start.yaml");
        await File.WriteAllTextAsync(local, LocalFile(s_sources[0].Workloads), cancellationToken);
        await MeasureAsync(0, new() { ["LOCAL_XDS_PATH"] = local });
        var istiod = Directory.CreateDirectory(Path.Combine(folder, "start-istiod")).FullName;
        string[] served =
            ["netns", "exec", network.Client, Environment.ProcessPath!, MeshServer.Verb, Text(Port), istiod, Text(s_sources[1].Workloads), Text(Services)];
        using var server = Process.Start(new ProcessStartInfo("ip", served) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        try
        {
            if (await server.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(2), cancellationToken) != HeldChild.Holding)
            {
                throw new InvalidOperationException("the control plane did not start");
            }

            await MeasureAsync(1, new() { ["XDS_ADDRESS"] = $"localhost:{Port}", ["XDS_ROOT_CA"] = Path.Combine(istiod, "root-cert.pem") });
        }
        finally
        {
            server.StandardInput.Close();
            if (!server.WaitForExit(TimeSpan.FromSeconds(10)))
            {
                server.Kill();
            }
        }
    }

    internal static void Report(Report report, Figures figures)
    {
        if (figures.Median(Figure("CPU", 0), Now) is null)
        {
            return;
        }

        report.Begin("The start in a large mesh", "ztunnel", "baseline", "ratio", "target");
        for (var i = 0; i < s_sources.Length; i++)
        {
            var (source, workloads, most) = s_sources[i];
            report.Row($"{workloads} workloads, {source}: CPU, s", Figure("CPU", i), "0.00", ratio => ratio <= most, $"<= {most.ToString(CultureInfo.InvariantCulture)}x", Now, Baseline);
            report.Row($"{workloads} workloads, {source}: resident at most, MB", Figure("peak", i), "0", ratio => ratio <= 1.05, "<= 1x", Now, Baseline);
            report.Row($"{workloads} workloads, {source}: resident 6 s after, MB", Figure("resident", i), "0", ratio => ratio <= 1.05, "<= 1x", Now, Baseline);
        }
    }

    private async Task MeasureAsync(int source, Dictionary<string, string> environment)
    {
        environment["PROXY_MODE"] = "dedicated";
        environment["PROXY_WORKLOAD_INFO"] = "bench/client/client";
        environment["PACKET_MARK"] = $"{BenchNetwork.Mark}";
        environment["AMBIENT_CA_DIR"] = Path.Combine(folder, "start-ca");
        for (var round = 0; round < options.RoundsOf(2); round++)
        {
            await using var ztunnel = BenchProcess.Start(network.Client, $"start-{source}-{round}", folder, environment, options.Host("ztunnel"));
            await ztunnel.ReadyAsync(
                () => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -o /dev/null http://127.0.0.1:15021/healthz/ready", cancellationToken), cancellationToken);
            var (cpu, peak) = (ztunnel.Cpu.TotalSeconds, ztunnel.ResidentPeak / 1e6);
            await Task.Delay(PairSections.Rest, cancellationToken);
            figures.Add(Figure("CPU", source), Now, cpu, $"{cpu:0.00} s");
            figures.Add(Figure("peak", source), Now, peak, $"{peak:0} MB at most");
            figures.Add(Figure("resident", source), Now, ztunnel.Resident / 1e6, $"{ztunnel.Resident / 1e6:0} MB");
        }
    }

    private static string Figure(string what, int source) => $"start {what} {s_sources[source].Source}";

    /// <summary>The mesh of <see cref="MeshServer"/> in ztunnel's local format.</summary>
    private static string LocalFile(int workloads)
    {
        var text = new StringBuilder("workloads:\n");
        text.Append(ZtunnelPair.Workload("client", BenchNetwork.ClientAddress)).Append('\n');
        for (var i = 0; i < workloads; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"""
                - uid: Kubernetes//Pod/ns-{i % 200}/app-{i}
                  name: app-{i}
                  namespace: ns-{i % 200}
                  serviceAccount: sa-{i % 50}
                  trustDomain: cluster.local
                  workloadIps:
                  - 10.{128 + (i >> 16)}.{(i >> 8) & 255}.{i & 255}
                  protocol: HBONE
                  networkMode: Standard
                  node: node-{i % 1000}
                  workloadName: app-{i % Services}
                  workloadType: deployment
                  canonicalName: app-{i % Services}
                  canonicalRevision: v1
                  clusterId: Kubernetes
                  network: ""
                  status: Healthy
                  capacity: 1
                  services:
                    {MeshServer.KeyOf(i % Services)}:
                      80: 8080

                """);
        }

        text.Append("services:\n");
        for (var i = 0; i < Services; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"""
                - name: svc-{i}
                  namespace: ns-{i % 200}
                  hostname: svc-{i}.ns-{i % 200}.svc.cluster.local
                  vips:
                  - /10.96.{(i >> 8) & 255}.{i & 255}
                  ports:
                    80: 8080

                """);
        }

        return text.ToString();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
