using System.Diagnostics;
using System.Text.RegularExpressions;
using Ambient.Testing;
using YamlDotNet.RepresentationModel;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>The waypoint's image and Gateways: what istiod's pods need, and no setting that the host does not know.</summary>
public sealed partial class WaypointImageTests
{
    private static readonly string s_folder = Path.Combine(Repository.Root, "samples", "Waypoint");

    [Fact]
    public void Dockerfile_IsForThePodsOfIstiod()
    {
        var dockerfile = File.ReadAllText(Path.Combine(s_folder, "Dockerfile"));
        Assert.Contains("RUN ./build.sh hosts waypoint", dockerfile, StringComparison.Ordinal);
        Assert.Contains("COPY --from=build /ambient/artifacts/hosts/waypoint /usr/local/bin/waypoint", dockerfile, StringComparison.Ordinal);

        // OpenSSL 3.5; the user that istiod's pods have; their arguments begin with "proxy", and their mounts are found from the root.
        Assert.Contains("FROM mcr.microsoft.com/dotnet/runtime-deps:10.0-resolute-chiseled", dockerfile, StringComparison.Ordinal);
        Assert.Contains("\nUSER 1337:1337\n", dockerfile, StringComparison.Ordinal);
        Assert.Contains("\nWORKDIR /\n", dockerfile, StringComparison.Ordinal);
        Assert.Contains("\nENTRYPOINT [\"/usr/local/bin/waypoint\"]\n", dockerfile, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("waypoint.yaml", "istio-waypoint")]
    [InlineData("gateway.yaml", "istio")]
    public async Task Gateway_NamesTheImage_AndSettingsThatTheHostHas(string file, string className)
    {
        using var reader = new StreamReader(Path.Combine(s_folder, "k8s", file));
        var stream = new YamlStream();
        stream.Load(reader);
        var gateway = Assert.Single(stream.Documents).RootNode;
        Assert.Equal(className, Text(gateway["spec"]["gatewayClassName"]));
        var annotations = gateway["metadata"]["annotations"];
        Assert.Equal("IMAGE", Text(annotations["sidecar.istio.io/proxyImage"]));

        var config = new YamlStream();
        using var text = new StringReader(Text(annotations["proxy.istio.io/config"]));
        config.Load(text);
        var settings = ((YamlMappingNode)config.Documents[0].RootNode["proxyMetadata"]).Children.Keys.Select(Text).ToArray();
        Assert.NotEmpty(settings);
        Assert.Subset(await VariablesAsync(), settings.ToHashSet());
    }

    [Fact]
    public void Page_NamesFilesAndPagesThatThereAre()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "kubernetes.md"));
        var files = FileInPage().Matches(page).Select(match => match.Groups[1].Value).Distinct().ToArray();
        Assert.Contains("samples/Ztunnel/k8s/daemonset.yaml", files);
        Assert.All(files, file => Assert.True(File.Exists(Path.Combine(Repository.Root, file)), file));
        Assert.All(PageInPage().Matches(page).Select(match => match.Groups[1].Value), other => Assert.True(File.Exists(Path.Combine(Repository.Root, "docs", other)), other));

        // Each part has its way back.
        Assert.Contains("rollout undo daemonset/ztunnel", page, StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(page, @"sidecar\.istio\.io/proxyImage-(\s|$)"));
    }

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    private static async Task<HashSet<string>> VariablesAsync()
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "artifacts", "bin", "Waypoint", configuration, "waypoint"), "--help") { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var help = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return [.. VariableInHelp().Matches(help).Select(match => match.Groups[1].Value)];
    }

    [GeneratedRegex(@"^  ([A-Z][A-Z0-9_]+)", RegexOptions.Multiline)]
    private static partial Regex VariableInHelp();

    [GeneratedRegex(@"(samples/[A-Za-z0-9_./-]+)")]
    private static partial Regex FileInPage();

    [GeneratedRegex(@"\]\(([a-z]+\.md)")]
    private static partial Regex PageInPage();
}
