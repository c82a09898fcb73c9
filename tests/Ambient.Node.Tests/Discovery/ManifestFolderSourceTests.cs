using System.Diagnostics;
using Ambient.Mesh;
using Ambient.Node.Discovery;
using Ambient.Node.Discovery.Sources;

namespace Ambient.Node.Tests.Discovery;

public sealed class ManifestFolderSourceTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-manifests-").FullName;
    private readonly RecordingLogger _logger = new();
    private readonly MeshStore _store = new();
    private IMeshSource? _source;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_source is not null)
        {
            await _source.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Start_WithManifests_ReturnsWithTheMeshLive()
    {
        Write("a.yaml", Pod("a"));
        Write("sub/b.yml", Pod("b"));
        Write(".hidden.yaml", "{");
        Write("notes.txt", "{");
        await StartAsync();
        Assert.Equal(["a", "b"], Names());
        Assert.Contains("2 workloads, 0 services, 0 policies, 0 routes (workloads +2 ~0 -0)", await _logger.WaitForAsync("mesh read"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithoutFolder_SaysSo()
    {
        var source = MeshSource.Create(new DiscoveryOptions { ManifestsFolder = Path.Combine(_folder, "absent") }, _store, _logger);
        await using (source)
        {
            var error = await Assert.ThrowsAsync<MeshSourceException>(() => source.StartAsync(default));
            Assert.Contains("does not exist", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData("x", "y", null)]
    [InlineData(null, "y", "z")]
    public void Create_WithNoSourceOrSeveral_SaysSo(string? folder, string? path, string? inline) =>
        Assert.Throws<MeshSourceException>(() => MeshSource.Create(
            new DiscoveryOptions { ManifestsFolder = folder, LocalConfigPath = path, LocalConfig = inline }, _store, _logger));

    [Fact]
    public async Task Objects_WithoutAnEffect_AreNamedOnceWithWhatToDo()
    {
        Write("dump.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: old, namespace: app, labels: {app: old}}\nspec: {containers: [{name: c, image: i}]}\nstatus: {phase: Running, podIP: 10.0.0.1}\n---\n"
            + Deployment("old", "app") + "---\n" + Deployment("mine", "app") + "---\n" + Deployment("mine", "free"));
        Write("names.yaml", ExternalName("out", "out.example", "") + "---\n" + ExternalName("ported", "out.example", ", ports: [{port: 80}]") + "---\n" + ExternalName("in", "real.free.svc.cluster.local", "")
            + "---\napiVersion: v1\nkind: Service\nmetadata: {name: real, namespace: free}\nspec: {ports: [{port: 80}]}\n");
        Write("mesh.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: elsewhere}\ndata: {mesh: 'trustDomain: cluster.local'}\n");
        await StartAsync();
        var mine = await _logger.WaitForAsync("gets no pods");
        Assert.Contains("Deployment app/mine gets no pods: namespace app has pods with a status", mine, StringComparison.Ordinal);
        Assert.Contains("dump.yaml:14:1", mine, StringComparison.Ordinal);
        Assert.Contains("Service free/out cannot be reached: out.example is outside of the mesh", await _logger.WaitForAsync("cannot be reached"), StringComparison.Ordinal);
        Assert.Contains("ConfigMap elsewhere/istio is not used", await _logger.WaitForAsync("is not used"), StringComparison.Ordinal);

        Write("more.yaml", Pod("b"));
        await UntilAsync("b", "mine-0", "old", "ported");
        Assert.Equal(1, _logger.Lines.Count(line => line.Contains("gets no pods", StringComparison.Ordinal)));
        Assert.Equal(1, _logger.Lines.Count(line => line.Contains("cannot be reached", StringComparison.Ordinal)));

        static string Deployment(string name, string ns) =>
            $"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {ns}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: c, image: i}}]}}}}\n";

        static string ExternalName(string name, string target, string ports) =>
            $"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: free}}\nspec: {{type: ExternalName, externalName: {target}{ports}}}\n";
    }

    [Fact]
    public async Task File_EditedInPlace_IsLive()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        Write("a.yaml", Pod("b"));
        await UntilAsync("b");
    }

    [Fact]
    public async Task File_RenamedOver_IsLive()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        Write("a.yaml.tmp", Pod("c"));
        File.Move(Path.Combine(_folder, "a.yaml.tmp"), Path.Combine(_folder, "a.yaml"), overwrite: true);
        await UntilAsync("c");
    }

    [Fact]
    public async Task Files_AddedAndDeleted_AreLive()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        Write("b.yaml", Pod("b"));
        await UntilAsync("a", "b");
        Write("new/folder/c.yaml", Pod("c"));
        await UntilAsync("a", "b", "c");
        File.Delete(Path.Combine(_folder, "a.yaml"));
        Directory.Delete(Path.Combine(_folder, "new"), recursive: true);
        await UntilAsync("b");
    }

    [Fact]
    public async Task Link_SwappedAsConfigMapsAre_IsLive()
    {
        Write("..v1/a.yaml", Pod("a"));
        Write("..v2/a.yaml", Pod("b"));
        Directory.CreateSymbolicLink(Path.Combine(_folder, "..data"), "..v1");
        File.CreateSymbolicLink(Path.Combine(_folder, "a.yaml"), "..data/a.yaml");
        await StartAsync();
        Assert.Equal(["a"], Names());
        Directory.CreateSymbolicLink(Path.Combine(_folder, "..tmp"), "..v2");
        Assert.Equal(0, Rename(Path.Combine(_folder, "..tmp"), Path.Combine(_folder, "..data")));
        await UntilAsync("b");
    }

    [Fact]
    public async Task Change_WithoutNotification_IsFoundByComparing()
    {
        // A link out of the folder: nothing tells the watcher that its target changed.
        var outside = Directory.CreateTempSubdirectory("ambient-outside-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(outside, "x.yaml"), Pod("a"));
            File.CreateSymbolicLink(Path.Combine(_folder, "x.yaml"), Path.Combine(outside, "x.yaml"));
            await StartAsync();
            File.WriteAllText(Path.Combine(outside, "x.yaml"), Pod("bb"));
            await UntilAsync("bb");
        }
        finally
        {
            Directory.Delete(outside, recursive: true);
        }
    }

    [Fact]
    public async Task Edit_WithErrors_ReportsAllOfThemAndKeepsTheMesh()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        var before = _store.Current;
        Write("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: B}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: Odd}\n");
        await _logger.WaitForAsync("has errors (2) and is not applied");
        Assert.Contains(_logger.Lines, line => line.Contains("a.yaml:3:", StringComparison.Ordinal) && line.Contains("metadata.name", StringComparison.Ordinal));
        Assert.Contains(_logger.Lines, line => line.Contains("a.yaml:8:", StringComparison.Ordinal) && line.Contains("spec.type", StringComparison.Ordinal));
        Assert.Same(before, _store.Current);
        Write("a.yaml", Pod("a"));
        await _logger.WaitForAsync("have been fixed");
        Write("a.yaml", Pod("c"));
        await UntilAsync("c");
    }

    [Fact]
    public async Task Start_WithErrors_WaitsUntilTheyAreMended()
    {
        Write("a.yaml", "kind: Pod");
        var started = StartAsync();
        await _logger.WaitForAsync("there is no mesh yet");
        Assert.False(started.IsCompleted);
        Write("a.yaml", Pod("a"));
        await started;
        Assert.Equal(["a"], Names());
    }

    [Fact]
    public async Task Start_CancelledWhileThereAreErrors_SaysThem()
    {
        Write("a.yaml", "kind: Pod");
        using var cancel = new CancellationTokenSource();
        var started = StartAsync(cancel.Token);
        await _logger.WaitForAsync("there is no mesh yet");
        await cancel.CancelAsync();
        var given = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => started);
        var error = Assert.IsType<MeshSourceException>(given.InnerException);
        Assert.Contains("cannot be the mesh", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folder_Removed_KeepsTheMesh()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        var before = _store.Current;
        var away = _folder + "-away";
        Directory.Move(_folder, away);
        await _logger.WaitForAsync("cannot be read");
        Assert.Same(before, _store.Current);
        Directory.Move(away, _folder);
        Write("a.yaml", Pod("b"));
        await UntilAsync("b");
    }

    [Fact]
    public async Task File_WrittenInPieces_IsNeverReadInHalf()
    {
        // Half of this file is valid YAML, without the policy that is written last.
        var whole = Pod("a") + "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny}\nspec: {action: DENY, rules: [{}]}\n";
        Write("a.yaml", whole);
        await StartAsync();
        var open = false;
        using var watch = _store.OnChange(mesh => open |= mesh.Policies.Count == 0);
        for (var round = 0; round < 3; round++)
        {
            await using (var file = new FileStream(Path.Combine(_folder, "a.yaml"), FileMode.Create, FileAccess.Write, FileShare.Read))
            await using (var text = new StreamWriter(file) { AutoFlush = true })
            {
                foreach (var line in whole.Replace("name: a", $"name: a{round}", StringComparison.Ordinal).Split('\n'))
                {
                    await text.WriteAsync(line + "\n");
                    await Task.Yield();
                }
            }

            await UntilAsync($"a{round}");
        }

        Assert.False(open);
    }

    [Fact]
    public async Task Kinds_Skipped_AreNamedOnce()
    {
        Write("a.yaml", Pod("a") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n");
        await StartAsync();
        Write("b.yaml", Pod("b"));
        await UntilAsync("a", "b");
        Assert.Single(_logger.Lines, line => line.Contains("kind ConfigMap", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Files_ThatAreNoManifests_AreNamedAndTheOthersRead()
    {
        Write("shop.yaml", Pod("shop"));
        Write("kustomization.yaml", "resources:\n- shop.yaml\n");
        Write("values.yaml", "replicas: 2\n");
        Write("OTHER.YAML", Pod("other"));
        Write(".hidden.json", "{}");
        await StartAsync();
        Assert.Equal(["shop"], Names());
        Assert.Contains(_logger.Lines, line => line.Contains("kustomization.yaml contains no Kubernetes object", StringComparison.Ordinal));
        Assert.Contains(_logger.Lines, line => line.Contains("values.yaml contains no Kubernetes object", StringComparison.Ordinal));
        Assert.Contains(_logger.Lines, line => line.Contains("OTHER.YAML is not read", StringComparison.Ordinal));
        Assert.Contains(_logger.Lines, line => line.Contains(".hidden.json is not read", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Json_IsReadAndWatched()
    {
        Write("a.json", """{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}""");
        Write("b.json", "\ufeff" + """{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}""");
        await StartAsync();
        Assert.Equal(["a", "b"], Names());
        Write("a.json", """{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}}""");
        await UntilAsync("b", "c");
    }

    [Fact]
    public async Task Mesh_ThatHasBecomeEmpty_IsWarnedOf()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        Write("a.yaml", "# nothing any more\n");
        Assert.StartsWith("Warning: the mesh from", await _logger.WaitForAsync("is empty now"), StringComparison.Ordinal);
    }

    /// <summary>How a folder begins that somebody is about to fill: nothing is wrong with it.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("apiVersion: v1\nkind: Namespace\nmetadata: {name: app}\n")]
    public async Task Mesh_NotFilledYet_SaysWhatIsWaitedFor_AndWarnsOfNothing(string? first)
    {
        if (first is not null)
        {
            Write("first.yaml", first);
        }

        await StartAsync();
        await _logger.WaitForAsync($"Information: {_folder} has no workloads and no services yet (manifest files: {(first is null ? 0 : 1)})");

        Write("a.yaml", Pod("a"));
        await UntilAsync("a");

        Assert.DoesNotContain(_logger.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal) || line.Contains("is empty", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Object_MovedBetweenFiles_IsNoError()
    {
        Write("b.yaml", Pod("b") + "---\n" + Pod("moved"));
        await StartAsync();

        // First it is in both files, the same: one object, and a warning.
        Write("a.yaml", Pod("moved"));
        await _logger.WaitForAsync("occurs twice and says the same");
        Write("b.yaml", Pod("b"));
        Write("c.yaml", Pod("c"));
        await UntilAsync("b", "c", "moved");

        // And in one edit of two files, it is never anything else.
        Write("a.yaml", Pod("a"));
        Write("b.yaml", Pod("b") + "---\n" + Pod("moved"));
        await UntilAsync("a", "b", "c", "moved");
        Assert.DoesNotContain(_logger.Lines, line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Folder_Quiet_CostsNothing()
    {
        Write("a.yaml", Pod("a"));
        await StartAsync();
        var publications = 0;
        using var watch = _store.OnChange(_ => publications++);
        var lines = _logger.Lines.Count;
        await Task.Delay(TimeSpan.FromSeconds(2));
        Assert.Equal(0, publications);
        Assert.Equal(lines, _logger.Lines.Count);
    }

    private static string Pod(string name) => $"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n";

    private List<string> Names() => [.. _store.Current.Workloads.Values.Select(w => w.Name).Order(StringComparer.Ordinal)];

    private Task StartAsync(CancellationToken cancellationToken = default)
    {
        _source = MeshSource.Create(new DiscoveryOptions { ManifestsFolder = _folder }, _store, _logger);
        return _source.StartAsync(cancellationToken);
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private async Task UntilAsync(params string[] names)
    {
        var waited = Stopwatch.StartNew();
        while (!Names().SequenceEqual(names))
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(60), $"still {string.Join(", ", Names())}:\n{string.Join("\n", _logger.Lines)}");
            await Task.Delay(20);
        }
    }

    [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "rename", CharSet = System.Runtime.InteropServices.CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [System.Runtime.InteropServices.DefaultDllImportSearchPaths(System.Runtime.InteropServices.DllImportSearchPath.SafeDirectories)]
    private static extern int Rename(string from, string to);
}
