using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing.ControlPlane;
using Microsoft.Extensions.Logging.Abstractions;
using WireService = Ambient.Node.Protos.Workloads.Service;
using WireWorkload = Ambient.Node.Protos.Workloads.Workload;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>On-demand mode against a real gRPC server that answers as istiod does.</summary>
public sealed class AddressDemandTests
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);

    [Fact]
    [Trait("Reference", "test_on_demand_handling")]
    public async Task Stream_AsksForAllPolicies_AndForNoAddress()
    {
        await using var mesh = await OnDemandMesh.StartAsync();

        var first = mesh.Server.Discovery.Requests.Where(request => request.Node is not null).ToArray();
        Assert.Equal([XdsTypes.Address, XdsTypes.Authorization], first.Select(request => request.TypeUrl));
        Assert.Equal("*", Assert.Single(first[0].ResourceNamesSubscribe));
        Assert.Equal("*", Assert.Single(first[0].ResourceNamesUnsubscribe));
        Assert.Empty(first[0].InitialResourceVersions);
        Assert.Empty(first[1].ResourceNamesSubscribe);
        Assert.Empty(first[1].ResourceNamesUnsubscribe);
        Assert.Empty(mesh.Store.Current.Workloads);
    }

    [Fact]
    public async Task Start_WaitsForPoliciesOnly()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = static request => request.TypeUrl == XdsTypes.Authorization ? XdsKit.Response(request.TypeUrl, XdsKit.Policy("p")) : null;
        var store = new MeshStore();
        await using var source = new XdsSource(
            XdsKit.Options(server), store, null, NullLogger.Instance, TimeProvider.System, new AddressDemand(store, TimeProvider.System));

        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);

        Assert.True(store.Current.Policies.ContainsKey("ns/p"));
    }

    [Fact]
    [Trait("Reference", "test_on_demand_cache_coherency")]
    public async Task Waiter_IsWokenWhenAllOfTheAnswerIsInTheMesh()
    {
        const int Endpoints = 10_000;
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Service("big", "10.1.0.1"));
        for (var i = 0; i < Endpoints; i++)
        {
            mesh.Book.Set(Workload($"w{i}", $"10.2.{i / 250}.{1 + (i % 250)}", service: "big"));
        }

        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.1.0.1"));

        // Nothing was waited for in between: the snapshot that is live has all of it.
        var live = mesh.Store.Current;
        Assert.Equal(Endpoints, live.EndpointsOf(live.FindService("net", IPAddress.Parse("10.1.0.1"), null)!).Length);
    }

    [Fact]
    public async Task Names_AreThoseOfAddressesHostsAndUids_AnswersComeUnderOthers()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Workload("a", "10.0.0.2"));
        mesh.Book.Set(Workload("b", "2001:db8::2"));
        mesh.Book.Set(Service("s", "10.1.0.1"));

        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.0.0.2"));
        Assert.Equal([XdsKit.Uid("a")], mesh.Store.Current.Workloads.Keys);
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/2001:db8::2"));
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("ns/s.ns.svc.cluster.local"));

        Assert.Equal(2, mesh.Store.Current.Workloads.Count);
        Assert.Single(mesh.Store.Current.Services);
        Assert.Equal(["net/10.0.0.2", "net/2001:db8::2", "ns/s.ns.svc.cluster.local"], mesh.Book.Asked);
    }

    [Fact]
    public async Task ManyWaiters_ForOneName_AskOnce()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Answers = false;
        var waiting = Enumerable.Range(0, 50).Select(_ => mesh.AskAsync("net/10.0.0.2")).ToArray();
        await mesh.Server.Discovery.WaitAsync(request => request.ResourceNamesSubscribe.Contains("net/10.0.0.2"));

        mesh.Server.Discovery.Push(XdsKit.Response(XdsTypes.Address, XdsKit.Workload("a", "10.0.0.2", workload => workload.Network = "net")));

        Assert.All(await Task.WhenAll(waiting), answer => Assert.Equal(DemandAnswer.Known, answer));
        Assert.Equal(["net/10.0.0.2"], mesh.Book.Asked);
    }

    [Fact]
    public async Task Absence_IsBelievedForAWhile_ThenAskedAgain_AlthoughTheServerAnswersNoNameTwice()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        Assert.Equal(DemandAnswer.Absent, await mesh.AskAsync("net/10.0.0.9"));
        Assert.Equal(DemandAnswer.Absent, await mesh.AskAsync("net/10.0.0.9"));
        Assert.Single(mesh.Book.Asked);

        // The server does not tell: whoever asked by address was told that there is nothing, and that was that.
        mesh.Book.Set(Workload("late", "10.0.0.9"));
        mesh.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.0.0.9"));
        Assert.Equal(2, mesh.Book.Asked.Count);

        // The same of a pod that was there, went, and whose address another one has now.
        mesh.Book.Remove(XdsKit.Uid("late"));
        await XdsKit.UntilAsync(() => mesh.Store.Current.Workloads.Count == 0);
        mesh.Book.Set(Workload("next", "10.0.0.9"));
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.0.0.9"));
        Assert.Equal([XdsKit.Uid("next")], mesh.Store.Current.Workloads.Keys);
    }

    [Fact]
    public async Task WhatWasLearned_IsFollowed_AndQuotedOnTheNextStream()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Workload("a", "10.0.0.2"));
        await mesh.AskAsync("net/10.0.0.2");

        mesh.Book.Set(Workload("a", "10.0.0.3"));
        await XdsKit.UntilAsync(() => mesh.Store.Current.FindWorkload("net", IPAddress.Parse("10.0.0.3")) is not null);

        mesh.Server.Discovery.EndStreams();
        var again = await mesh.Server.Discovery.WaitAsync(request => request.InitialResourceVersions.Count > 0);
        Assert.Equal([XdsKit.Uid("a")], again.InitialResourceVersions.Keys);
        Assert.Equal("*", Assert.Single(again.ResourceNamesSubscribe));
    }

    [Fact]
    public async Task Name_IsGivenUpOnlyOnAStreamThatAskedForIt()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Workload("a", "10.0.0.2"));
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.0.0.2"));
        Assert.Equal(DemandAnswer.Absent, await mesh.AskAsync("net/10.0.0.9"));
        mesh.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(DemandAnswer.Absent, await mesh.AskAsync("net/10.0.0.9"));

        // Asked for twice on this stream, and so given up once in between; a stream that is new knows neither.
        Assert.Equal(["net/10.0.0.9"], GivenUp(mesh));
        mesh.Server.Discovery.EndStreams();
        await XdsKit.UntilAsync(() => mesh.Server.Discovery.Opened == 2 && mesh.Demand.IsOpen);
        mesh.Book.Set(Workload("late", "10.0.0.9"));
        mesh.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.0.0.9"));

        Assert.Equal(["net/10.0.0.9"], GivenUp(mesh));
        Assert.Empty(mesh.Book.GivenUpInVain);
    }

    [Fact]
    public async Task Question_OutlivesItsStream()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Workload("a", "10.0.0.2"));
        mesh.Book.Answers = false;
        var waiting = mesh.AskAsync("net/10.0.0.2");
        await mesh.Server.Discovery.WaitAsync(request => request.ResourceNamesSubscribe.Contains("net/10.0.0.2"));

        mesh.Book.Answers = true;
        mesh.Server.Discovery.EndStreams();

        Assert.Equal(DemandAnswer.Known, await waiting);
        var again = await mesh.Server.Discovery.WaitAsync(request => request.InitialResourceVersions.ContainsKey("net/10.0.0.2"));
        Assert.Equal("", again.InitialResourceVersions["net/10.0.0.2"]);
    }

    [Fact]
    public async Task Silence_IsNoAnswer_AndIsNotRemembered()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Workload("a", "10.0.0.2"));
        mesh.Book.Answers = false;
        var waiting = mesh.AskAsync("net/10.0.0.2", s_short);
        await mesh.Server.Discovery.WaitAsync(request => request.ResourceNamesSubscribe.Contains("net/10.0.0.2"));
        await XdsKit.UntilAsync(() =>
        {
            mesh.Time.Advance(TimeSpan.FromSeconds(1));
            return waiting.IsCompleted;
        });
        Assert.Equal(DemandAnswer.Unanswered, await waiting);

        mesh.Book.Answers = true;
        Assert.Equal(DemandAnswer.Known, await mesh.AskAsync("net/10.0.0.2"));
    }

    [Fact]
    public async Task Cancelled_IsUnanswered()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Answers = false;
        using var cancelled = new CancellationTokenSource();
        var waiting = mesh.Demand.AskAsync("net/10.0.0.2", XdsKit.Patience, cancelled.Token).AsTask();
        await cancelled.CancelAsync();

        Assert.Equal(DemandAnswer.Unanswered, await waiting.WaitAsync(XdsKit.Patience));
    }

    [Fact]
    public async Task WithoutAStream_TheLastAbsenceHolds_AndAnythingElseIsUnanswered()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        await mesh.AskAsync("net/10.0.0.9");
        await mesh.Server.StopAsync();
        await XdsKit.UntilAsync(() => !mesh.Demand.IsOpen);
        mesh.Time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(DemandAnswer.Absent, await mesh.AskAsync("net/10.0.0.9"));
        var other = mesh.AskAsync("net/10.0.0.10", s_short);
        await XdsKit.UntilAsync(() =>
        {
            mesh.Time.Advance(TimeSpan.FromSeconds(1));
            return other.IsCompleted;
        });
        Assert.Equal(DemandAnswer.Unanswered, await other);
    }

    [Fact]
    public async Task Questions_AreBounded()
    {
        var demand = new AddressDemand(new MeshStore(), TimeProvider.System);
        using var end = new CancellationTokenSource();
        var waiting = Enumerable.Range(0, 1024).Select(i => demand.AskAsync($"net/10.0.{i / 250}.{i % 250}", XdsKit.Patience, end.Token).AsTask()).ToArray();

        Assert.Equal(DemandAnswer.Unanswered, await demand.AskAsync("net/10.9.9.9", XdsKit.Patience, end.Token));
        Assert.DoesNotContain(waiting, task => task.IsCompleted);
        await end.CancelAsync();
        await Task.WhenAll(waiting).WaitAsync(XdsKit.Patience);

        // Nobody waits any more: there is room again.
        var again = demand.AskAsync("net/10.9.9.9", XdsKit.Patience, CancellationToken.None).AsTask();
        Assert.False(again.IsCompleted);
    }

    [Fact]
    public async Task Decision_IsMadeAgainUntilNothingIsUnknown_OrItIsAbsent()
    {
        await using var mesh = await OnDemandMesh.StartAsync();
        mesh.Book.Set(Service("first", "10.1.0.1"));
        var decisions = new List<string>();

        var decided = await mesh.Demand.DecideAsync(
            mesh.Store,
            live =>
            {
                var decision = live.FindService("net", IPAddress.Parse("10.1.0.1"), null) is null ? "net/10.1.0.1" : "net/10.1.0.2";
                decisions.Add(decision);
                return decision;
            },
            static decision => decision,
            CancellationToken.None);

        Assert.Equal("net/10.1.0.2", decided);
        Assert.Equal(["net/10.1.0.1", "net/10.1.0.2", "net/10.1.0.2"], decisions);
    }

    private static string[] GivenUp(OnDemandMesh mesh) =>
        [.. mesh.Server.Discovery.Requests.SelectMany(static request => request.ResourceNamesUnsubscribe).Where(static name => name != "*")];

    private static WireWorkload Workload(string name, string address, string? service = null)
    {
        var workload = new WireWorkload { Uid = XdsKit.Uid(name), Name = name, Namespace = "ns", Network = "net", Addresses = { XdsKit.Bytes(address) } };
        if (service is not null)
        {
            workload.Services[$"ns/{service}.ns.svc.cluster.local"] = new Protos.Workloads.PortList();
        }

        return workload;
    }

    private static WireService Service(string name, string vip) => new()
    {
        Name = name, Namespace = "ns", Hostname = $"{name}.ns.svc.cluster.local",
        Addresses = { new Protos.Workloads.NetworkAddress { Network = "net", Address = XdsKit.Bytes(vip) } },
    };
}
