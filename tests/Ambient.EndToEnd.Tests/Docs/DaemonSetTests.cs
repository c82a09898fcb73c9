using System.Diagnostics;
using System.Text.RegularExpressions;
using Ambient.Testing;
using YamlDotNet.RepresentationModel;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>The manifest that operators apply says only what the host understands, and has what the host needs.</summary>
public sealed partial class DaemonSetTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "samples", "Ztunnel");

    [Fact]
    public async Task Variables_AreOnesThatTheHostActsOn()
    {
        var help = await HelpAsync();
        var known = VariableInHelp().Matches(help).Select(match => match.Groups[1].Value).ToHashSet();
        Assert.Contains("XDS_ADDRESS", known);

        var set = Sequence(Container(), "env").Select(entry => Text(entry, "name")).ToArray();

        Assert.Contains("CA_ADDRESS", set);
        Assert.Subset(known, set.ToHashSet());
        Assert.All(set, name => Assert.DoesNotMatch($@"(?m)^\s*{name}\b[^\n]*(\n\s{{10,}}[^\n]*)*not (there|used) yet", help));
    }

    [Fact]
    public void Pod_HasTheMountsCapabilitiesAndPortsOfTheReference()
    {
        var container = Container();
        var mounts = Sequence(container, "volumeMounts").Select(mount => Text(mount, "mountPath")).ToArray();
        Assert.Contains("/var/run/secrets/istio", mounts);
        Assert.Contains("/var/run/secrets/tokens", mounts);
        Assert.Contains("/var/run/ztunnel", mounts);
        var volumes = Sequence(Pod(), "volumes").Select(volume => Text(volume, "name")).ToArray();
        Assert.Equal(Sequence(container, "volumeMounts").Select(mount => Text(mount, "name")).Order(), volumes.Order());

        var capabilities = Map(Map(container, "securityContext"), "capabilities");
        Assert.Equal(["NET_ADMIN", "NET_RAW", "SYS_ADMIN"], Sequence(capabilities, "add").Select(node => ((YamlScalarNode)node).Value!).Order());
        Assert.Equal(["ALL"], Sequence(capabilities, "drop").Select(node => ((YamlScalarNode)node).Value!));
        Assert.Equal("15021", Text(Map(Map(container, "readinessProbe"), "httpGet"), "port"));

        // What Kubernetes grants and what the host believes must be the same.
        var grace = Sequence(container, "env").Single(entry => Text(entry, "name") == "TERMINATION_GRACE_PERIOD_SECONDS");
        Assert.Equal(Text(Pod(), "terminationGracePeriodSeconds"), Text(grace, "value"));
    }

    [Fact]
    public void Dockerfile_BuildsAndCopiesWhatTheBuildScriptMakes()
    {
        var dockerfile = File.ReadAllText(Path.Combine(Folder, "Dockerfile"));
        Assert.Contains("RUN ./build.sh hosts ztunnel", dockerfile, StringComparison.Ordinal);
        Assert.Contains("artifacts/hosts/ztunnel", dockerfile, StringComparison.Ordinal);

        // Ubuntu 24.04 ("noble") has OpenSSL 3.0, which the log advises against.
        Assert.Contains("runtime-deps:10.0-resolute-chiseled", dockerfile, StringComparison.Ordinal);
        Assert.Contains("verb_hosts", File.ReadAllText(Path.Combine(Repository.Root, "build.sh")), StringComparison.Ordinal);
    }

    private static async Task<string> HelpAsync()
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "artifacts", "bin", "Ztunnel", configuration, "ztunnel"), "--help")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return output + await error;
    }

    private static YamlMappingNode Pod()
    {
        using var reader = new StreamReader(Path.Combine(Folder, "k8s", "daemonset.yaml"));
        var stream = new YamlStream();
        stream.Load(reader);
        var daemonSet = stream.Documents.Select(document => (YamlMappingNode)document.RootNode).Single(node => Text(node, "kind") == "DaemonSet");
        return Map(Map(Map(daemonSet, "spec"), "template"), "spec");
    }

    private static YamlMappingNode Container() => (YamlMappingNode)Assert.Single(Sequence(Pod(), "containers"));

    private static YamlMappingNode Map(YamlNode node, string key) => (YamlMappingNode)((YamlMappingNode)node).Children[new YamlScalarNode(key)];

    private static YamlSequenceNode Sequence(YamlNode node, string key) => (YamlSequenceNode)((YamlMappingNode)node).Children[new YamlScalarNode(key)];

    private static string Text(YamlNode node, string key) => ((YamlScalarNode)((YamlMappingNode)node).Children[new YamlScalarNode(key)]).Value!;

    [GeneratedRegex(@"^\s*([A-Z][A-Z0-9_]{2,})\b", RegexOptions.Multiline)]
    private static partial Regex VariableInHelp();
}
