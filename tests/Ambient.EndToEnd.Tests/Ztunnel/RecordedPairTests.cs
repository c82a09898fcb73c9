using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Testing;
using Xunit;

namespace Ambient.EndToEnd.Tests.Ztunnel;

/// <summary>
/// The eight connections of <c>golden/ztunnel</c>, made again through our pair: access log lines field by field, metrics label by
/// label, and the config dump key by key are what the originals recorded.
/// </summary>
[Trait("Category", "Golden")]
[Trait("Needs", "Root")]
public sealed partial class RecordedPairTests
{
    private static readonly string[] s_urls =
    [
        "http://10.96.0.10:9080/", "http://10.77.0.3:8080/", "http://10.96.0.10:9999/", "http://10.96.0.10:9998/",
        "http://10.96.0.10:1234/", "http://10.96.0.11/", "http://10.96.0.12/", "http://10.77.0.77/",
    ];

    [SkippableTheory]
    [InlineData("plain", "access.log")]
    [InlineData("json", "access.jsonl")]
    public async Task EightConnections_AreLoggedAsRecorded(string format, string recording)
    {
        var client = await File.ReadAllLinesAsync(GoldenFolder.Require("ztunnel", $"client.{recording}"));
        var server = await File.ReadAllLinesAsync(GoldenFolder.Require("ztunnel", $"server.{recording}"));
        await using var pair = await DedicatedPair.StartAsync(format);

        await MakeConnectionsAsync(pair, s_urls);

        Assert.Equal(client.Select(Comparable), (await pair.Client.WaitForAccessLinesAsync(client.Length)).Select(Comparable));
        Assert.Equal(server.Select(Comparable), (await pair.Server.WaitForAccessLinesAsync(server.Length)).Select(Comparable));
    }

    [Trait("Reference", "test_dump_certs")]
    [Trait("Reference", "test_dump_config")]
    [SkippableFact]
    public async Task EightConnections_AreCountedAsRecorded_AndTheDumpHasTheRecordedKeys()
    {
        var recorded = GoldenFolder.Require("ztunnel");
        await using var pair = await DedicatedPair.StartAsync();

        // The recorded scrape was made while the last connection, to an address that nobody has, was still waiting.
        await MakeConnectionsAsync(pair, s_urls[..7]);
        await pair.Server.WaitForAccessLinesAsync(4);
        var last = pair.CurlAsync(s_urls[7]);
        await Until(async () => (await pair.Client.GetAsync(15020, "/metrics")).Split('\n').Count(line => line.StartsWith("istio_tcp_connections_opened_total", StringComparison.Ordinal)) == 4);

        foreach (var (name, ztunnel) in new[] { ("client", pair.Client), ("server", pair.Server) })
        {
            var metrics = await ztunnel.GetAsync(15020, "/metrics");
            Assert.Equal(Families(await File.ReadAllTextAsync(Path.Combine(recorded, $"{name}.metrics.txt"))), Families(metrics));

            using var expected = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(recorded, $"{name}.config_dump.json")));
            using var actual = JsonDocument.Parse(await ztunnel.GetAsync(15000, "/config_dump"));
            Assert.Equal(Shape(expected.RootElement), Shape(actual.RootElement));
        }

        await last;
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        for (var tries = 0; !await condition(); tries++)
        {
            Assert.True(tries < 1500, "it did not happen");
            await Task.Delay(20);
        }
    }

    private static async Task MakeConnectionsAsync(DedicatedPair pair, string[] urls)
    {
        for (var i = 0; i < urls.Length; i++)
        {
            var (exit, status) = await pair.CurlAsync(urls[i]);
            Assert.Equal((i, i is 0 or 1 or 6), (i, exit == 0 && status == "200"));

            // Lines are written when connections end, which is not when curl does.
            await pair.Client.WaitForAccessLinesAsync(i + 1);
        }
    }

    /// <summary>A line without what differs from run to run: times, client ports, byte counts of curl's and the server's headers.</summary>
    private static string Comparable(string line)
    {
        line = Time().Replace(line, "TIME");
        line = ClientPort().Replace(line, "10.77.0.2:PORT");
        line = Duration().Replace(line, "Nms");
        line = Bytes().Replace(line, match => match.Groups["count"].Value == "0" ? match.Value : $"{match.Groups["name"].Value}N");
        return line.TrimEnd();
    }

    /// <summary>Istio's metric families and their series, each with its labels in order; byte counts are only zero or not.</summary>
    private static List<string> Families(string text) =>
        [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.Contains("tokio_", StringComparison.Ordinal))
            .Select(line => line switch
            {
                _ when line.StartsWith("process_", StringComparison.Ordinal) => line[..line.LastIndexOf(' ')],
                _ when line.StartsWith("istio_tcp_sockets_open", StringComparison.Ordinal) => line[..line.LastIndexOf(' ')],
                _ when line.Contains("_bytes_total", StringComparison.Ordinal) && !line.EndsWith(" 0", StringComparison.Ordinal) => $"{line[..line.LastIndexOf(' ')]} N",
                _ => line,
            })
            .Order(StringComparer.Ordinal)];

    /// <summary>Every path of a document, with the values that are about the mesh; settings by key only.</summary>
    private static List<string> Shape(JsonElement root)
    {
        var paths = new List<string>();
        Walk(root, "", paths);

        // The reference shows its file in the file's order, we show it sorted.
        return [.. paths.Where(path => !path.StartsWith(".staticConfig", StringComparison.Ordinal)),
            .. paths.Where(path => path.StartsWith(".staticConfig", StringComparison.Ordinal)).Select(path => Index().Replace(path, "[]", 1)).Order(StringComparer.Ordinal)];
    }

    private static void Walk(JsonElement element, string path, List<string> paths)
    {
        // The resolver's internals and the DNS proxy are the reference's own; our switches have other values, under the same names.
        if (path.StartsWith(".config.dns", StringComparison.Ordinal))
        {
            return;
        }

        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    Walk(property.Value, $"{path}.{property.Name}", paths);
                }

                break;
            case JsonValueKind.Array:
                paths.Add($"{path}[{(path.StartsWith(".config", StringComparison.Ordinal) ? "" : element.GetArrayLength())}]");
                for (var i = 0; i < element.GetArrayLength() && !path.StartsWith(".config", StringComparison.Ordinal); i++)
                {
                    Walk(element[i], $"{path}[{i}]", paths);
                }

                break;
            default:
                paths.Add(path.StartsWith(".workloads", StringComparison.Ordinal) || path.StartsWith(".services", StringComparison.Ordinal)
                    || path.StartsWith(".policies", StringComparison.Ordinal) || path.StartsWith(".certificates[0].identity", StringComparison.Ordinal)
                    || path.StartsWith(".certificates[0].state", StringComparison.Ordinal) || path.StartsWith(".staticConfig.policies", StringComparison.Ordinal)
                    ? $"{path}={element}"
                    : path);
                break;
        }
    }

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")]
    private static partial Regex Time();

    [GeneratedRegex(@"10\.77\.0\.2:\d+")]
    private static partial Regex ClientPort();

    [GeneratedRegex(@"\[\d+\]")]
    private static partial Regex Index();

    [GeneratedRegex(@"\d+ms")]
    private static partial Regex Duration();

    [GeneratedRegex(@"(?<name>bytes_(sent|recv)""?[=:])(?<count>\d+)")]
    private static partial Regex Bytes();
}
