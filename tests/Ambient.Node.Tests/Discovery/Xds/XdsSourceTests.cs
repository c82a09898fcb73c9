using System.Runtime;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Testing.ControlPlane;
using Grpc.Core;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>The client against a real gRPC server over TLS.</summary>
public sealed class XdsSourceTests
{
    [Fact]
    [Trait("Reference", "test_that_caches_are_warm_before_unblocked")]
    public async Task Start_CompletesWhenBothTypesWereAcknowledged_AndTheMeshIsThere()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request => request.TypeUrl == XdsTypes.Address ? XdsKit.Response(XdsTypes.Address, XdsKit.Workload("a")) : null;
        var store = new MeshStore();
        await using var source = XdsKit.Source(XdsKit.Options(server), store);

        var starting = source.StartAsync(CancellationToken.None);
        await server.Discovery.WaitAsync(request => request.TypeUrl == XdsTypes.Address && request.ResponseNonce.Length > 0);
        await Task.Delay(100);
        Assert.False(starting.IsCompleted);

        server.Discovery.Push(XdsKit.Response(XdsTypes.Authorization, XdsKit.Policy("p")));
        await starting.WaitAsync(XdsKit.Patience);

        Assert.True(store.Current.Workloads.ContainsKey(XdsKit.Uid("a")));
        Assert.True(store.Current.Policies.ContainsKey("ns/p"));
    }

    [Fact]
    public async Task Start_WithoutCollections_LetsThemGoOnOnceTheMeshIsThere()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        var workloads = Enumerable.Range(0, 20_000).Select(i => XdsKit.Workload($"w{i}", $"10.1.{i / 256}.{i % 256}")).ToArray();
        server.Discovery.Initial = request => request.TypeUrl == XdsTypes.Address ? XdsKit.Response(XdsTypes.Address, workloads) : DiscoveryScript.Empty(request.TypeUrl);
        var store = new MeshStore();
        await using var source = XdsKit.Source(XdsKit.Options(server) with { HoldsCollections = true }, store);

        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);

        Assert.Equal(workloads.Length, store.Current.Workloads.Count);
        Assert.NotEqual(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
    }

    [Fact]
    public async Task Start_AFirstResponseThatWasRefused_DoesNotCount()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request => request.TypeUrl == XdsTypes.Address
            ? XdsKit.Response(XdsTypes.Address, XdsKit.Workload("a"), XdsKit.Workload("bad", more: w => w.Addresses.Add(Google.Protobuf.ByteString.CopyFrom(1, 2, 3))))
            : DiscoveryScript.Empty(request.TypeUrl);
        var store = new MeshStore();
        await using var source = XdsKit.Source(XdsKit.Options(server), store);
        var starting = source.StartAsync(CancellationToken.None);

        var refusal = await server.Discovery.WaitAsync(request => request.ErrorDetail is not null);

        Assert.Contains($"{XdsKit.Uid("bad")}: addresses: an address of 3 bytes", refusal.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.True(store.Current.Workloads.ContainsKey(XdsKit.Uid("a")));
        Assert.False(starting.IsCompleted);
        server.Discovery.Push(XdsKit.Response(XdsTypes.Address, XdsKit.Workload("bad")));
        await starting.WaitAsync(XdsKit.Patience);
        Assert.True(store.Current.Workloads.ContainsKey(XdsKit.Uid("bad")));
    }

    [Fact]
    public async Task Stream_BeginsWithNodeHeadersAndBothTypesInOrder()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        var token = Path.Combine(server.Folder, "token");
        await File.WriteAllTextAsync(token, "first\n");
        var options = XdsKit.Options(server);
        options = options with
        {
            Server = options.Server with { Token = token, ClusterId = "c1", Headers = [new("x-extra", "yes")] },
            Metadata = options.Metadata.Add("CLUSTER_ID", "c1"),
        };
        await using var source = XdsKit.Source(options, new MeshStore());
        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);

        var headers = server.Discovery.Headers!;
        Assert.Equal("Bearer first", headers.GetValue("authorization"));
        Assert.Equal("c1", headers.GetValue("clusterid"));
        Assert.Equal("yes", headers.GetValue("x-extra"));
        var first = server.Discovery.Requests.Where(request => request.Node is not null).ToArray();
        Assert.Equal([XdsTypes.Address, XdsTypes.Authorization], first.Select(request => request.TypeUrl));
        Assert.All(first, request => Assert.Empty(request.ResourceNamesSubscribe));
        var node = first[0].Node;
        Assert.Equal("ztunnel~10.0.0.1~ztunnel-0.istio-system~istio-system.svc.cluster.local", node.Id);
        Assert.Equal("node-a", node.Metadata.Fields["NODE_NAME"].StringValue);
        Assert.Equal("10.0.0.1", node.Metadata.Fields["INSTANCE_IPS"].StringValue);
        Assert.Equal("c1", node.Metadata.Fields["CLUSTER_ID"].StringValue);

        // A token that was renewed goes with the next stream.
        await File.WriteAllTextAsync(token, "second");
        server.Discovery.EndStreams();
        await XdsKit.UntilAsync(() => server.Discovery.Headers!.GetValue("authorization") == "Bearer second");
    }

    [Fact]
    [Trait("Reference", "test_reconnect_echoes_retained_versions")]
    public async Task Reconnect_QuotesTheVersionsOfWhatWasTaken_AndNotOfWhatWasRefused()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request => request.InitialResourceVersions.Count > 0 ? null : request.TypeUrl == XdsTypes.Address
            ? XdsKit.Response(XdsTypes.Address, XdsKit.Workload("good"), XdsKit.Workload("bad", more: w => w.TunnelProtocol = Protos.Workloads.TunnelProtocol.LegacyIstioMtls))
            : DiscoveryScript.Empty(request.TypeUrl);
        var store = new MeshStore();
        await using var source = XdsKit.Source(XdsKit.Options(server), store);
        _ = source.StartAsync(CancellationToken.None);
        var refusal = await server.Discovery.WaitAsync(request => request.ErrorDetail is not null);
        Assert.StartsWith($"{XdsKit.Uid("bad")}: tunnel_protocol", refusal.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.Empty(server.Discovery.Requests[0].InitialResourceVersions);

        server.Discovery.EndStreams();

        var again = await server.Discovery.WaitAsync(request => request.InitialResourceVersions.Count > 0);
        Assert.Equal(XdsKit.Uid("good"), Assert.Single(again.InitialResourceVersions).Key);
        Assert.Equal("1", again.InitialResourceVersions.Values.Single());
    }

    [Fact]
    [Trait("Reference", "test_add_abort_remove")]
    public async Task Mesh_SurvivesAnAbort_AndFollowsAfterwards()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request => request.InitialResourceVersions.Count > 0 ? null : request.TypeUrl == XdsTypes.Address
            ? XdsKit.Response(XdsTypes.Address, XdsKit.Workload("a"), XdsKit.Service("s"))
            : DiscoveryScript.Empty(request.TypeUrl);
        var store = new MeshStore();
        await using var source = await XdsKit.StartAsync(server, store);

        server.Discovery.EndStreams(StatusCode.Internal);
        await XdsKit.UntilAsync(() => server.Discovery.Opened == 2);
        Assert.True(store.Current.Workloads.ContainsKey(XdsKit.Uid("a")));

        await server.Discovery.WaitAsync(request => request.InitialResourceVersions.Count == 2);
        var removal = DiscoveryScript.Empty(XdsTypes.Address);
        removal.RemovedResources.Add([XdsKit.Uid("a"), "ns/s.ns.svc.cluster.local", "a/b/c/unknown"]);
        server.Discovery.Push(removal);
        await XdsKit.UntilAsync(() => store.Current.Workloads.Count == 0 && store.Current.Services.Count == 0);
    }

    [Fact]
    public async Task ServerThatComesBack_IsFound_AndTheMeshStaysMeanwhile()
    {
        var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request => request.TypeUrl == XdsTypes.Address
            ? XdsKit.Response(XdsTypes.Address, XdsKit.Workload("a"))
            : DiscoveryScript.Empty(request.TypeUrl);
        var store = new MeshStore();
        var registry = new MetricRegistry();
        await using var source = await XdsKit.StartAsync(server, store, registry);
        await server.StopAsync();
        await XdsKit.UntilAsync(() => Text(registry).Contains("istio_xds_connection_terminations_total{reason=\"ConnectionError\"}", StringComparison.Ordinal));
        Assert.True(store.Current.Workloads.ContainsKey(XdsKit.Uid("a")));

        await using var second = await ControlPlaneServer.StartAsync(port: server.Port, discovery: server.Discovery, folder: server.Folder);
        await XdsKit.UntilAsync(() => server.Discovery.Opened == 2);
        var text = Text(registry);
        Assert.Contains($"istio_xds_message_total{{url=\"{XdsTypes.Address}\"}}", text, StringComparison.Ordinal);
        Assert.Contains($"istio_xds_message_bytes_total{{url=\"{XdsTypes.Address}\"}}", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UnknownType_IsAcknowledged()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        await using var source = await XdsKit.StartAsync(server, new MeshStore());

        server.Discovery.Push(new DeltaDiscoveryResponse { TypeUrl = "type.googleapis.com/other", Nonce = "n1" });

        var answer = await server.Discovery.WaitAsync(request => request.ResponseNonce == "n1");
        Assert.Null(answer.ErrorDetail);
    }

    [Theory]
    [InlineData("another-root", "does not lead to the roots")]
    [InlineData("another-name", "for another name than localhost")]
    [InlineData("empty-token", "is empty")]
    [InlineData("no-root", "no root certificates in")]
    public async Task WhatIsWrongWithTheServer_IsSaid(string fault, string said)
    {
        await using var server = await ControlPlaneServer.StartAsync(names: fault == "another-name" ? ["istiod.istio-system.svc"] : ["localhost"]);
        await using var other = await ControlPlaneServer.StartAsync();
        var token = Path.Combine(server.Folder, "token");
        await File.WriteAllTextAsync(token, "");
        var options = XdsKit.Options(server);
        options = options with
        {
            Server = options.Server with
            {
                Roots = fault switch { "another-root" => other.RootFile, "no-root" => Path.Combine(server.Folder, "nothing.pem"), _ => server.RootFile },
                Token = fault == "empty-token" ? token : null,
            },
        };
        var log = new RecordingLogger();
        await using var source = XdsKit.Source(options, new MeshStore(), logger: log);
        _ = source.StartAsync(CancellationToken.None);

        var line = await log.WaitForAsync(said);
        Assert.Equal(0, server.Discovery.Opened);
        if (fault == "another-root")
        {
            // istiod's certificate has no subject: what it is for are its names.
            Assert.Contains("its certificate (DNS:localhost) does not lead to", line, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AlternativeName_IsAccepted_AndSoArePemTextAndNewRoots()
    {
        await using var server = await ControlPlaneServer.StartAsync(names: ["istiod.istio-system.svc"]);
        var options = XdsKit.Options(server);
        options = options with { Server = options.Server with { AlternativeName = "istiod.istio-system.svc", Roots = await File.ReadAllTextAsync(server.RootFile) } };
        await using (var source = XdsKit.Source(options, new MeshStore()))
        {
            await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);
        }

        // A file of wrong roots that becomes right: found at the next try.
        await using var other = await ControlPlaneServer.StartAsync();
        var roots = Path.Combine(server.Folder, "roots.pem");
        File.Copy(other.RootFile, roots);
        options = options with { Server = options.Server with { Roots = roots } };
        await using var waiting = XdsKit.Source(options, new MeshStore());
        var starting = waiting.StartAsync(CancellationToken.None);
        await Task.Delay(200);
        Assert.False(starting.IsCompleted);
        File.Copy(server.RootFile, roots, overwrite: true);
        await starting.WaitAsync(XdsKit.Patience);
    }

    [Fact]
    public async Task RefusedVersion_TheHeldOneStaysQuoted_SoItsDeletionDuringAReconnectIsHeard()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request =>
        {
            var response = DiscoveryScript.Empty(request.TypeUrl);
            if (request.TypeUrl == XdsTypes.Address)
            {
                if (request.InitialResourceVersions.Count == 0)
                {
                    response.Resources.Add(XdsKit.Workload("w"));
                }

                // As istiod does: of what is quoted, it tells what is gone; of what is not, it says nothing.
                response.RemovedResources.AddRange(request.InitialResourceVersions.Keys);
            }

            return response;
        };
        var store = new MeshStore();
        await using var source = await XdsKit.StartAsync(server, store);
        server.Discovery.Push(XdsKit.Response(XdsTypes.Address, XdsKit.Workload("w", more: w => w.Addresses.Add(Google.Protobuf.ByteString.CopyFrom(1, 2, 3)))));
        await server.Discovery.WaitAsync(request => request.ErrorDetail is not null);
        Assert.True(store.Current.Workloads.ContainsKey(XdsKit.Uid("w")));

        server.Discovery.EndStreams();

        await XdsKit.UntilAsync(() => !store.Current.Workloads.ContainsKey(XdsKit.Uid("w")));
    }

    [Fact]
    public async Task ServerThatWantsAToken_IsToldOfInWordsThatHelp_AndNotOpen()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Opening = static () => throw new RpcException(new Grpc.Core.Status(StatusCode.Unauthenticated, "who are you"));
        var log = new RecordingLogger();
        await using var source = XdsKit.Source(XdsKit.Options(server), new MeshStore(), logger: log);
        _ = source.StartAsync(CancellationToken.None);

        var line = await log.WaitForAsync("Unauthenticated");

        Assert.Contains("there is no file ./var/run/secrets/tokens/istio-token", line, StringComparison.Ordinal);
        Assert.DoesNotContain(log.Lines, other => other.Contains("is open", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ServerThatSaysGoodbye_AsIstiodDoesEveryHalfHour_IsReconnectedToWithoutAWarning(bool reset)
    {
        await using var server = AgeingServer.Start();
        var log = new RecordingLogger();
        var registry = new MetricRegistry();
        await using var source = XdsKit.Source(XdsKit.Options(server.Address, server.RootFile), new MeshStore(), registry, log);
        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);

        await server.SayGoodbyeAsync(reset);

        await XdsKit.UntilAsync(() => server.Streams == 2);
        var line = Assert.Single(log.Lines, static line => line.Contains("xDS stream ended", StringComparison.Ordinal));
        Assert.Equal($"Information: xDS stream ended: xDS server {server.Address.Authority} closed the connection in good order; opening it again in 00:00:00.0100000", line);
        Assert.DoesNotContain(log.Lines, static line => line.StartsWith("Warning", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal));
        Assert.Contains("istio_xds_connection_terminations_total{reason=\"Reconnect\"} 1\n", Text(registry), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ConnectionThatIsLost_IsNotTakenForAServerThatCannotBeReached(bool reset)
    {
        await using var server = AgeingServer.Start();
        var log = new RecordingLogger();
        var registry = new MetricRegistry();
        await using var source = XdsKit.Source(XdsKit.Options(server.Address, server.RootFile), new MeshStore(), registry, log);
        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);

        // At once, so that the client may be just about to acknowledge: whichever call meets the end, it has one name.
        await server.BreakOffAsync(reset, unanswered: 40);

        await XdsKit.UntilAsync(() => server.Streams == 2);
        var line = Assert.Single(log.Lines, static line => line.Contains("xDS stream ended", StringComparison.Ordinal));
        Assert.StartsWith(
            $"Warning: xDS stream ended: xDS server {server.Address.Authority}: the connection was lost: the server's side closed or reset it without a goodbye", line, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", line, StringComparison.Ordinal);
        Assert.Contains("istio_xds_connection_terminations_total{reason=\"Reconnect\"} 1\n", Text(registry), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_IsOpen_OnlyOnceTheServerHasAnswered()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = static _ => null;
        var log = new RecordingLogger();
        await using var source = XdsKit.Source(XdsKit.Options(server), new MeshStore(), logger: log);
        var starting = source.StartAsync(CancellationToken.None);
        await server.Discovery.WaitAsync(static request => request.TypeUrl == XdsTypes.Authorization);
        await Task.Delay(100);
        Assert.Empty(log.Lines);

        server.Discovery.Push(DiscoveryScript.Empty(XdsTypes.Address));
        server.Discovery.Push(DiscoveryScript.Empty(XdsTypes.Authorization));
        await starting.WaitAsync(XdsKit.Patience);

        Assert.Equal($"Information: xDS stream to {server.Address.Authority} is open; asking for everything", log.Lines.First());
    }

    private static string Text(MetricRegistry registry)
    {
        var text = Utf8TextBuilder.Rent();
        registry.Write(text);
        var all = System.Text.Encoding.UTF8.GetString(text.Written);
        text.Return();
        return all;
    }
}
