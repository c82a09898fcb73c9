using System.Diagnostics;
using System.Runtime.CompilerServices;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Testing;
using Google.Protobuf;
using Xunit.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>A thousand HTTP ports and fifty thousand endpoints, made from a recording: what a change costs does not grow with what has not changed.</summary>
[Trait("Category", "Golden")]
public sealed class LargeConfigurationTests(ITestOutputHelper output)
{
    private const int Ports = 1000;
    private const int EndpointsEach = 50;

    [SkippableFact]
    public void ARepeat_AndOneEndpoint_CostLittle_AndKeepNothing()
    {
        var folder = Path.Combine(GoldenFolder.Case("http", "authz-methods-hosts"), "xds", "waypoint");
        var listeners = DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(folder, "lds.binpb")));
        var template = FilterChain.Parser.ParseFrom(Listener.Parser.ParseFrom(listeners.Resources.Single(resource => resource.Name == "main_internal").Resource_.Value).FilterChains[0]);
        var clusters = new DeltaDiscoveryResponse { TypeUrl = EnvoyTypes.Cluster, Resources = { Enumerable.Range(0, Ports).Select(i => EnvoyKit.Cluster(Host(i), 8080, $"s{i}")) } };
        var assignments = new DeltaDiscoveryResponse { TypeUrl = EnvoyTypes.Assignment, Resources = { Enumerable.Range(0, Ports).Select(i => Endpoints(i, EndpointsEach)) } };
        var main = new DeltaDiscoveryResponse { TypeUrl = EnvoyTypes.Listener, Resources = { EnvoyKit.Services([.. Enumerable.Range(0, Ports).Select(i => ($"10.9.{i / 250}.{i % 250}", 8080, Of(template, i)))]) } };
        var (first, again) = (main.ToByteArray(), new byte[2][]);
        var (session, store) = EnvoyKit.Session();

        // The order of chains is another: the same is said in other bytes.
        main.Resources[0] = EnvoyKit.Services([.. Enumerable.Range(0, Ports).Reverse().Select(i => ($"10.9.{i / 250}.{i % 250}", 8080, Of(template, i)))]);
        (again[0], again[1]) = (main.ToByteArray(), first);

        var clock = Stopwatch.StartNew();
        session.Hear(clusters.ToByteArray());
        session.Hear(assignments.ToByteArray());
        session.Hear(first);
        output.WriteLine($"first configuration: {clock.ElapsedMilliseconds} ms, {first.Length} bytes of listeners");
        Assert.Equal(Ports, store.Current.Services.Count);
        Assert.Equal(Ports * EndpointsEach, store.Current.Workloads.Count);
        Assert.Equal(EndpointsEach, store.Current.EndpointsOf(store.Current.Services[$"ns/{Host(7)}"]).Length);
        var mesh = store.Current;

        clock.Restart();
        for (var i = 0; i < 20; i++)
        {
            session.Hear(again[i % 2]);
        }

        output.WriteLine($"a repeat: {clock.Elapsed.TotalMilliseconds / 20} ms");
        Assert.Same(mesh, store.Current);
        clock.Restart();
        for (var i = 0; i < 20; i++)
        {
            session.Hear(new DeltaDiscoveryResponse { TypeUrl = EnvoyTypes.Assignment, Resources = { Endpoints(7, EndpointsEach + (i % 2) - 1) } }.ToByteArray());
        }

        output.WriteLine($"one endpoint: {clock.Elapsed.TotalMilliseconds / 20} ms");
        Assert.Same(mesh.Requests, store.Current.Requests);

        // What is passed over leaves no garbage worth a name behind, and with it no pause for requests.
        var least = Allocations.InSteadyState(() => Repeat(session, [again[0]], 1));
        output.WriteLine($"a repeat of equal bytes allocates {least / 1024} KB");
        Assert.InRange(least, 0, first.Length / 4);
        Repeat(session, again, 2);

        // Nothing is kept of what says nothing new: not as much as one such message in a hundred. The heap is that of all tests that run beside this one, so
        // that what they made meanwhile is in a reading, but not in the least of a few.
        var more = long.MaxValue;
        for (var i = 0; i < 5 && more > first.Length; i++)
        {
            var held = GC.GetTotalMemory(forceFullCollection: true);
            Repeat(session, again, 100);
            more = Math.Min(more, GC.GetTotalMemory(forceFullCollection: true) - held);
            output.WriteLine($"held: {held / 1024 / 1024} MB; after 100 repeats {more / 1024} KB more");
        }

        Assert.InRange(more, long.MinValue, first.Length);
        GC.KeepAlive(session);
    }

    // In a frame of its own: what a frame has touched last counts as in use until it ends.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Repeat(EnvoySession session, byte[][] messages, int count)
    {
        for (var i = 0; i < count; i++)
        {
            session.Hear(messages[i % messages.Length]);
        }
    }

    private static string Host(int i) => $"s{i}.ns.svc.cluster.local";

    private static Resource Endpoints(int i, int count) =>
        EnvoyKit.Endpoints(Host(i), 8080, [.. Enumerable.Range(0, count).Select(endpoint => ($"10.{100 + (i / 250)}.{i % 250}.{endpoint + 1}", 8080))]);

    private static FilterChain Of(FilterChain template, int i)
    {
        var chain = template.Clone();
        chain.Name = EnvoyKit.Own(Host(i), 8080);
        return chain;
    }
}
