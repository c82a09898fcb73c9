using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>Two HAProxies that relay TCP through mutual TLS, one connection for each: the stand-in to compare with.</summary>
internal static class HaproxyPair
{
    internal const string Name = "haproxy";

    /// <summary>Each connection is two descriptors, and a container may not let even root have more than a few ten thousand.</summary>
    private static readonly int MostConnections = Math.Min(15_000, (Descriptors() - 100) / 2);

    internal static async Task<Contender> StartAsync(BenchNetwork network, string folder, CancellationToken cancellationToken, string name = Name)
    {
        await WriteCertificateAsync(folder, cancellationToken);
        var secret = $"crt {folder}/both.pem ca-file {folder}/cert.pem";
        var client = Path.Combine(folder, "haproxy-client.cfg");
        var server = Path.Combine(folder, "haproxy-server.cfg");
        await File.WriteAllTextAsync(client, Common("tcp") + $"""
            listen http
              bind 127.0.0.1:9080
              server peer {BenchNetwork.ServerAddress}:9443 ssl verify required {secret}
            listen bulk
              bind 127.0.0.1:9201
              server peer {BenchNetwork.ServerAddress}:9444 ssl verify required {secret}

            """, cancellationToken);
        await File.WriteAllTextAsync(server, Common("tcp") + $"""
            listen http
              bind {BenchNetwork.ServerAddress}:9443 ssl verify required {secret}
              server app {BenchNetwork.ServerAddress}:{Backends.Http}
            listen bulk
              bind {BenchNetwork.ServerAddress}:9444 ssl verify required {secret}
              server app {BenchNetwork.ServerAddress}:{Backends.Bulk}

            """, cancellationToken);
        var contender = new Contender(
            name,
            [
                BenchProcess.Start(network.Client, "haproxy-client", folder, null, "haproxy", "-db", "-f", client),
                BenchProcess.Start(network.Server, "haproxy-server", folder, null, "haproxy", "-db", "-f", server),
            ],
            "127.0.0.1",
            9080,
            "127.0.0.1",
            9201)
        {
            MostConnections = MostConnections - 200,
        };
        await contender.Processes[0].ReadyAsync(() => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -o /dev/null {contender.Url}", cancellationToken), cancellationToken);
        return contender;
    }

    internal static string Common(string mode) => $"""
        global
          nbthread {Environment.ProcessorCount}
          maxconn {MostConnections}
        defaults
          mode {mode}
          timeout connect 5s
          timeout client 600s
          timeout server 600s

        """;

    private static int Descriptors()
    {
        var line = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        return int.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4], out var hard) ? hard : int.MaxValue;
    }

    private static async Task WriteCertificateAsync(string folder, CancellationToken cancellationToken)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=bench", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(2));
        await File.WriteAllTextAsync(Path.Combine(folder, "cert.pem"), certificate.ExportCertificatePem() + "\n", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "both.pem"), certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n", cancellationToken);
    }
}
