using Ambient.Node.Capture;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Capture.PodNetwork;
using Ambient.Node.Lifetime;
using Ambient.Node.Protos.Zds;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Capture.InPod;

/// <summary>What a network plugin tells, over a real socket, and which proxies run then. The proxies themselves are counted, not made.</summary>
public sealed class PodProxiesTests : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"ambient-inpod-{Guid.NewGuid():N}.sock");
    private readonly FakeTimeProvider _time = new();
    private readonly MetricRegistry _registry = new();
    private readonly Readiness _readiness = new();
    private readonly List<FakeProxy> _proxies = [];
    private readonly HashSet<string> _failing = [];
    private readonly PodMetrics _metrics;
    private readonly InPodNode _node;
    private ZdsServer? _server;

    public PodProxiesTests()
    {
        _metrics = new PodMetrics(_registry);
        _node = new InPodNode(_path, new PodProxies(StartAsync, _metrics, _readiness, NullLogger.Instance), _time, NullLogger.Instance);
    }

    [SkippableFact]
    [Trait("Reference", "test_process_add")]
    [Trait("Reference", "add_workload_starts_a_proxy")]
    public async Task AddedPod_IsStarted_AndTheNodeIsReadyAfterTheSnapshot()
    {
        await BeginAsync();
        Assert.False(_readiness.IsReady);

        await Server.AddAsync(Pod("1"), CancellationToken.None);
        await ConnectAsync();

        var proxy = Assert.Single(_proxies);
        Assert.Equal(new PodInfo("default", "pod-1", "sa-1"), proxy.Pod);
        Assert.True(_readiness.IsReady);
        Assert.Equal((1, 0), (_metrics.Active, _metrics.Pending));
        Assert.Contains("workload_manager_active_proxy_count 1", Text(), StringComparison.Ordinal);
        Assert.Contains("workload_manager_proxies_started_total 1", Text(), StringComparison.Ordinal);
    }

    [SkippableFact]
    [Trait("Reference", "idemepotency_add_workload_starts_only_one_proxy")]
    [Trait("Reference", "add_delete_add_workload_starts_only_one_proxy")]
    [Trait("Reference", "test_process_add_and_del")]
    public async Task AddedTwice_IsStartedOnce_AndAnewAfterItsRemoval()
    {
        await BeginAsync();
        await ConnectAsync();
        Assert.Equal("", await Server.AddAsync(Pod("1"), CancellationToken.None));
        Assert.Equal("", await Server.AddAsync(Pod("1"), CancellationToken.None));
        Assert.Single(_proxies);

        await Server.DeleteAsync("1", CancellationToken.None);
        Assert.True(_proxies[0].Disposed);
        Assert.Equal(0, _metrics.Active);
        await Server.AddAsync(Pod("1"), CancellationToken.None);
        Assert.Equal(2, _proxies.Count);
        Assert.False(_proxies[1].Disposed);
    }

    [SkippableFact]
    [Trait("Reference", "idemepotency_add_workload_fails")]
    [Trait("Reference", "test_process_failed")]
    [Trait("Reference", "test_process_failed_announce")]
    public async Task PodThatCannotBeStarted_IsComplainedOf_TriedAgain_AndKeepsTheNodeFromBeingReady()
    {
        await BeginAsync();
        await ConnectAsync();
        Assert.True(_readiness.IsReady);
        _failing.Add("pod-1");

        Assert.Equal("failure to start proxy : port in use", await Server.AddAsync(Pod("1"), CancellationToken.None));
        Assert.False(_readiness.IsReady);
        Assert.Equal(["workload proxy manager"], _readiness.Pending());
        Assert.Equal((0, 1), (_metrics.Active, _metrics.Pending));
        Assert.Null(Assert.Single(_node.Pods.States()).Owner);

        _failing.Clear();
        await AdvanceUntilAsync(() => _readiness.IsReady);
        Assert.Single(_proxies);
        Assert.NotNull(Assert.Single(_node.Pods.States()).Owner);
    }

    [SkippableFact]
    [Trait("Reference", "idempotency_add_workload_fails_and_then_deleted")]
    public async Task PendingPodThatGoes_IsNotTriedAgain()
    {
        await BeginAsync();
        await ConnectAsync();
        _failing.Add("pod-1");
        await Server.AddAsync(Pod("1"), CancellationToken.None);

        await Server.DeleteAsync("1", CancellationToken.None);

        Assert.True(_readiness.IsReady);
        Assert.Equal(0, _metrics.Pending);
        _failing.Clear();
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.Empty(_proxies);
    }

    [SkippableFact]
    [Trait("Reference", "workload_added_while_pending")]
    [Trait("Reference", "add_with_different_netns_keeps_latest_proxy")]
    public async Task PodWithAnotherNetwork_ReplacesTheOne()
    {
        await BeginAsync();
        await ConnectAsync();
        await Server.AddAsync(Pod("1"), CancellationToken.None);

        using var other = await OtherNetwork.CreateAsync();
        await Server.AddAsync(Pod("1") with { Network = other.Namespace }, CancellationToken.None);

        Assert.Equal(2, _proxies.Count);
        Assert.True(_proxies[0].Disposed);
        Assert.False(_proxies[1].Disposed);
        Assert.Equal(1, _metrics.Active);
    }

    [SkippableFact]
    [Trait("Reference", "test_process_snapshot_with_missing_workload")]
    [Trait("Reference", "proxy_added_then_kept_with_new_snapshot")]
    public async Task NewConnection_KeepsWhatIsTold_AndEndsTheRest()
    {
        await BeginAsync();
        await Server.AddAsync(Pod("1"), CancellationToken.None);
        await Server.AddAsync(Pod("2"), CancellationToken.None);
        await Server.AddAsync(Pod("3"), CancellationToken.None);
        await ConnectAsync();
        Assert.Equal(3, _proxies.Count);

        await _server!.DisposeAsync();
        await AdvanceUntilAsync(() => !_readiness.IsReady);
        Assert.DoesNotContain(_proxies, proxy => proxy.Disposed);

        // A plugin that was restarted has no descriptor of the first, the second's again, and has lost the third.
        _server = ZdsServer.Listen(_path, TimeProvider.System, NullLogger.Instance);
        await Server.AddAsync(Pod("1") with { Network = null }, CancellationToken.None);
        await Server.AddAsync(Pod("2"), CancellationToken.None);
        await AdvanceUntilAsync(() => _readiness.IsReady);
        Assert.Equal(3, _proxies.Count);
        Assert.Equal(["pod-3"], _proxies.Where(proxy => proxy.Disposed).Select(proxy => proxy.Pod.Name));
    }

    [SkippableFact]
    [Trait("Reference", "del_workload_before_snapshot_removes_from_snapshot_and_pending")]
    public async Task PodRemovedBeforeTheSnapshot_IsStoppedWithIt()
    {
        var pods = _node.Pods;
        await pods.ConnectedAsync();
        Assert.Null(await pods.AddAsync("1", new PodInfo("default", "pod-1", "sa"), Network()));
        _failing.Add("pod-2");
        Assert.NotNull(await pods.AddAsync("2", new PodInfo("default", "pod-2", "sa"), Network()));

        await pods.DeleteAsync("1");
        await pods.DeleteAsync("2");
        Assert.False(_proxies[0].Disposed);
        Assert.Equal((1, 0), (_metrics.Active, _metrics.Pending));

        await pods.SnapshotAsync();
        Assert.True(_proxies[0].Disposed);
        Assert.True(_readiness.IsReady);
        await Assert.ThrowsAsync<ZdsProtocolException>(pods.SnapshotAsync);
        await Assert.ThrowsAsync<ZdsProtocolException>(() => pods.KeepAsync("1"));
    }

    [SkippableFact]
    [Trait("Reference", "test_parse_add_workload")]
    [Trait("Reference", "test_parse_add_workload_with_info")]
    [Trait("Reference", "test_parse_del_workload")]
    public void Messages_AreRead()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "descriptors of networks are Linux's");
        var add = Assert.IsType<ZdsMessage.Add>(ZdsMessage.Read(AddBytes(withInfo: true), [Own()]));
        Assert.Equal(("u", "ns/name", "sa"), (add.Uid, add.Info.ToString(), add.Info.ServiceAccount));
        Assert.StartsWith("net:[", add.Network.Identity, StringComparison.Ordinal);
        add.Network.Dispose();
        Assert.Equal("u", Assert.IsType<ZdsMessage.Del>(ZdsMessage.Read(new WorkloadRequest { Del = new() { Uid = "u" } }.ToByteArray(), [])).Uid);
        Assert.Equal("u", Assert.IsType<ZdsMessage.Keep>(ZdsMessage.Read(new WorkloadRequest { Keep = new() { Uid = "u" } }.ToByteArray(), [])).Uid);
    }

    [SkippableFact]
    [Trait("Reference", "test_parse_del_workload_with_fds_fails")]
    [Trait("Reference", "no_workload_info_rejected")]
    public void Messages_ThatBreakTheProtocol_AreRefused_AndTheirDescriptorsClosed()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "descriptors of networks are Linux's");
        var first = Own();
        var second = Own();
        Assert.Throws<InvalidDataException>(() => ZdsMessage.Read(new WorkloadRequest { Del = new() { Uid = "u" } }.ToByteArray(), [first]));
        Assert.Throws<InvalidDataException>(() => ZdsMessage.Read(AddBytes(withInfo: true), []));
        Assert.Throws<InvalidDataException>(() => ZdsMessage.Read(AddBytes(withInfo: true), [second, Own()]));
        var third = Own();
        Assert.Throws<ZdsProtocolException>(() => ZdsMessage.Read(AddBytes(withInfo: false), [third]));
        Assert.Throws<InvalidDataException>(() => ZdsMessage.Read([], []));
        Assert.All([first, second, third], descriptor => Assert.True(descriptor.IsClosed));
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void RandomPackets_AreReadOrRefused()
    {
        var good = AddBytes(withInfo: true);
        FuzzBudget.Run(20_000, random =>
        {
            var packet = new byte[random.Next(64)];
            random.NextBytes(packet);
            if (random.Next(2) == 0)
            {
                packet = Damage.Of(good, random);
            }

            try
            {
                ZdsMessage.Read(packet, []);
            }
            catch (Exception e) when (e is InvalidDataException or ZdsProtocolException)
            {
            }
        });
    }

    [SkippableFact]
    public async Task ManyPods_LeaveNoDescriptorsBehind()
    {
        await BeginAsync();
        await ConnectAsync();
        await Server.AddAsync(Pod("0"), CancellationToken.None);
        await Server.DeleteAsync("0", CancellationToken.None);
        var before = Directory.EnumerateFileSystemEntries("/proc/self/fd").Count(IsNetwork);
        for (var i = 0; i < 50; i++)
        {
            await Server.AddAsync(Pod("1"), CancellationToken.None);
            await Server.AddAsync(Pod("1"), CancellationToken.None);
            await Server.DeleteAsync("1", CancellationToken.None);
        }

        // The server's own copies wait for the collector; the node's must be gone by now.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.InRange(Directory.EnumerateFileSystemEntries("/proc/self/fd").Count(IsNetwork), 0, before + 10);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        await _node.DisposeAsync();
        Assert.All(_proxies, proxy => Assert.True(proxy.Disposed));
    }

    private ZdsServer Server => _server!;

    private static bool IsNetwork(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget?.StartsWith("net:[", StringComparison.Ordinal) == true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static ZdsPod Pod(string uid) => new(uid, "default", $"pod-{uid}", $"sa-{uid}", PodNamespace.Open("/proc/self/ns/net"));

    private static Microsoft.Win32.SafeHandles.SafeFileHandle Own() => File.OpenHandle("/proc/self/ns/net");

    private static PodNamespace Network()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "networks with descriptors are Linux's");
        return PodNamespace.Open("/proc/self/ns/net");
    }

    private static byte[] AddBytes(bool withInfo) => new WorkloadRequest
    {
        Add = new AddWorkload { Uid = "u", WorkloadInfo = withInfo ? new WorkloadInfo { Namespace = "ns", Name = "name", ServiceAccount = "sa" } : null },
    }.ToByteArray();

    private async Task BeginAsync()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "SOCK_SEQPACKET is Linux's");
        _server = ZdsServer.Listen(_path, TimeProvider.System, NullLogger.Instance);
        await Task.Yield();
    }

    private async Task ConnectAsync()
    {
        await _node.StartAsync();
        await AdvanceUntilAsync(() => _readiness.IsReady);
    }

    private async Task AdvanceUntilAsync(Func<bool> condition)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 1500, "it did not come to be");
            _time.Advance(TimeSpan.FromMilliseconds(250));
            await Task.Delay(20);
        }
    }

    private string Text()
    {
        var text = Utf8TextBuilder.Rent();
        _registry.Write(text);
        var all = System.Text.Encoding.UTF8.GetString(text.Written);
        text.Return();
        return all;
    }

    private Task<INodeCapture> StartAsync(PodInfo pod, PodNamespace network)
    {
        if (_failing.Contains(pod.Name))
        {
            throw new IOException("port in use");
        }

        var proxy = new FakeProxy(pod);
        _proxies.Add(proxy);
        return Task.FromResult<INodeCapture>(proxy);
    }

    private sealed class FakeProxy(PodInfo pod) : INodeCapture
    {
        public PodInfo Pod { get; } = pod;

        public bool Disposed { get; private set; }

        public Task StartAsync() => Task.CompletedTask;

        public Task DrainAsync(CancellationToken deadline) => Task.CompletedTask;

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
