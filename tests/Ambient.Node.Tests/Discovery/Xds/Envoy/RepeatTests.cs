using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Testing;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// istiod repeats everything for most changes, and does not order the entries of maps: what it says again in other bytes changes nothing, costs little memory, and is
/// told as it came.
/// </summary>
public sealed class RepeatTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const int FilterChains = 3;

    private readonly ReceivedConfiguration _received = new(ByteString.Empty, TimeProvider.System);
    private readonly MeshStore _store = new();
    private readonly EnvoySession _session;

    public RepeatTests() => _session = new EnvoySession(_store, EnvoyKit.Node, NullLogger.Instance, _received);

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("http");

    // Chains with filters that come by themselves keep their bytes, and are read again when these do.
    public static IEnumerable<object[]> MoreCases => GoldenFolder.Cases("xds").Where(static row => (string)row[0] != "extensions");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void OtherOrderOfFields_IsTheSame(string name) => Reordered(GoldenFolder.Case("http", name));

    [SkippableTheory]
    [MemberData(nameof(MoreCases))]
    public void OtherOrderOfFieldsBesides_IsTheSame(string name) => Reordered(GoldenFolder.Case("xds", name));

    [Fact]
    public void OrderOfMaps_MeansNothing()
    {
        var (first, second) = (("ns[a]-policy[p]-rule[0]", EnvoyKit.Identity("x"), EnvoyKit.AnyRequest), ("ns[b]-policy[p]-rule[0]", EnvoyKit.Identity("y"), EnvoyKit.AnyRequest));
        Tell([first, second]);
        var mesh = _store.Current;

        Tell([second, first]);

        Assert.Same(mesh, _store.Current);

        // What is another rule is told from it.
        Tell([second, (first.Item1, EnvoyKit.Identity("z"), EnvoyKit.AnyRequest)]);
        Assert.NotSame(mesh, _store.Current);

        void Tell((string, Principal, Permission)[] rules)
        {
            _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
            _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, rules)]))));
        }
    }

    [Fact]
    public void WhatCameLast_IsShown_AndWhatWasShownBeforeStaysAsItWas()
    {
        var cluster = EnvoyKit.Cluster(Web, 80, "web");
        var (first, second) = (cluster.Resource_.Value, ByteString.CopyFrom(WireText.Reordered(cluster.Resource_.Value.Span)));
        Assert.NotEqual(first, second);

        Tell(first);
        Tell(second);
        var shown = Shown();
        Assert.Equal(second, shown);

        Tell(first);
        Assert.Equal(second, shown);
        Assert.Equal(first, Shown());

        void Tell(ByteString bytes)
        {
            cluster.Resource_.Value = bytes;
            _session.Tell(EnvoyTypes.Cluster, cluster);
        }

        ByteString Shown() => Assert.Single(_received.Of(EnvoyTypes.Cluster).Resources).Bytes;
    }

    [Fact]
    public void Repeat_TakesNoMemoryForItsBytes()
    {
        // Texts that nobody reads.
        var listener = EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.ChainOf(Web, 80, new HttpConnectionManager { AccessLog = { ByteString.CopyFrom(new byte[1_000_000]) } })));
        var same = XdsKit.Response(EnvoyTypes.Listener, listener).ToByteArray();
        _session.Hear(same);

        Assert.InRange(Allocations.InSteadyState(() => _session.Hear(same)), 0, 100_000);
    }

    // What lives for as long as a response is read outlives young collections, and what is replaced each time is garbage that is old: both lead to full ones, which stop everything.
    [Fact]
    public void ResourceInAFormThatCameBefore_LeavesNothing()
    {
        const int Clusters = 500;
        var clusters = Enumerable.Range(0, Clusters).Select(i => EnvoyKit.Cluster($"s{i}.ns.svc.cluster.local", 80, $"s{i}")).ToArray();
        var first = XdsKit.Response(EnvoyTypes.Cluster, clusters).ToByteArray();
        foreach (var cluster in clusters)
        {
            cluster.Resource_.Value = ByteString.CopyFrom(WireText.Reordered(cluster.Resource_.Value.Span));
        }

        byte[][] forms = [first, XdsKit.Response(EnvoyTypes.Cluster, clusters).ToByteArray()];
        var next = 0;

        // Less than a name for each.
        Assert.InRange(Allocations.InSteadyState(() => _session.Hear(forms[next++ % 2])), 0, Clusters * 20);
    }

    [Fact]
    public void ResourcesOfAnotherTypeThanTheirResponse_AreRefused_WhereTheySayWhatIsHeldToo()
    {
        var (cluster, other) = (EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster("other.ns.svc.cluster.local", 80, "other"));
        _session.Tell(EnvoyTypes.Cluster, cluster);
        var mesh = _store.Current;

        var answer = _session.Tell(EnvoyTypes.Secret, cluster, cluster, other);

        Assert.False(answer.IsAccepted);
        Assert.Contains($"2 resources: are of the type {EnvoyTypes.Cluster}, in a response of {EnvoyTypes.Secret}", answer.Answer.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.Contains("other.ns.svc.cluster.local", answer.Answer.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.Same(mesh, _store.Current);
    }

    [Fact]
    public void ChainInAFormThatCameBefore_IsNotReadAgain()
    {
        var (first, second) = (("ns[a]-policy[p]-rule[0]", EnvoyKit.Identity("x"), EnvoyKit.AnyRequest), ("ns[b]-policy[p]-rule[0]", EnvoyKit.Identity("y"), EnvoyKit.AnyRequest));
        byte[][] forms = [.. new[] { Of(first, second), Of(second, first) }.SelectMany(static chain => new[] { With(chain, "q"), With(chain, "r"), With(chain, "s"), With(chain, "t"), With(chain, "u") })];
        var next = 0;

        // The listener is another one each time, and its bytes are kept: a megabyte. A chain that is read leaves as much again, several times.
        Assert.InRange(Allocations.InSteadyState(() => _session.Hear(forms[next++ % forms.Length])), 0, 1_500_000);

        static FilterChain Of(params (string, Principal, Permission)[] rules) =>
            EnvoyKit.ChainOf(Web, 80, new HttpConnectionManager { AccessLog = { ByteString.CopyFrom(new byte[1_000_000]) }, HttpFilters = { EnvoyKit.Rules(RuleSet.Types.Action.Allow, rules) } });

        static byte[] With(FilterChain chain, string other) =>
            XdsKit.Response(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, chain), ("10.9.0.2", 80, EnvoyKit.Chain($"{other}.ns", 80)))).ToByteArray();
    }

    [Fact]
    public void ResourceThatComesTwiceInOneResponse_IsWhatWasSaidLast_OrRefused()
    {
        var (plain, other) = (EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080)), EnvoyKit.Endpoints(Web, 80, ("10.0.0.8", 8080)));
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        _session.Tell(EnvoyTypes.Assignment, plain);

        // The second says what is held as it is read, and no longer does when it is its turn.
        var answer = _session.Tell(EnvoyTypes.Assignment, other, plain);

        Assert.False(answer.IsAccepted);
        Assert.Contains("comes twice in one response", answer.Answer.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.Equal(IPAddress.Parse("10.0.0.8"), Assert.Single(_store.Current.Workloads.Values).Addresses[0]);
    }

    private static void Reordered(string folder)
    {
        foreach (var recording in Directory.EnumerateDirectories(Path.Combine(folder, "xds")))
        {
            var store = new MeshStore();
            var received = new ReceivedConfiguration(ByteString.Empty, TimeProvider.System);
            var session = new EnvoySession(store, RecordedIstiod.NodeOf(recording).Node, NullLogger.Instance, received);
            var responses = ((string[])["cds", "eds", "lds", "rds", "sds", "wds"]).Select(type => Path.Combine(recording, $"{type}.binpb")).Where(File.Exists)
                .Select(static file => DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(file))).ToArray();
            foreach (var response in responses)
            {
                session.Hear(response.ToByteArray());
            }

            // Listeners lead to routes and secrets, which are asked for only then; what nobody has asked for does not stay, and is gone with the next response.
            var listeners = responses.Where(static response => response.TypeUrl == EnvoyTypes.Listener).ToArray();
            foreach (var response in responses.Concat(listeners).Concat(listeners))
            {
                session.Hear(response.ToByteArray());
            }

            foreach (var response in responses.Where(static response => response.TypeUrl != EnvoyTypes.Workload))
            {
                var held = received.Of(response.TypeUrl).Resources.Select(static resource => resource.Name).ToHashSet();
                foreach (var resource in response.Resources.Where(resource => !held.Contains(resource.Name)).ToArray())
                {
                    response.Resources.Remove(resource);
                }
            }

            var (mesh, problems) = (store.Current, session.Problems);
            var times = Times();
            foreach (var response in responses.Where(static response => response.TypeUrl != EnvoyTypes.Workload))
            {
                foreach (var resource in response.Resources)
                {
                    var bytes = resource.Resource_.Value.Span;
                    resource.Resource_.Value = ByteString.CopyFrom(
                        response.TypeUrl == EnvoyTypes.Listener ? WireText.Reordered(WireText.Map(bytes, FilterChains, static chain => WireText.Reordered(chain))) : WireText.Reordered(bytes));
                }

                session.Hear(response.ToByteArray());
                Assert.True(ReferenceEquals(mesh, store.Current), $"{response.TypeUrl} is taken for another");
                foreach (var shown in received.Of(response.TypeUrl).Resources.Where(shown => response.TypeUrl != EnvoyTypes.Secret && response.Resources.Any(resource => resource.Name == shown.Name)))
                {
                    Assert.Equal(response.Resources.Single(resource => resource.Name == shown.Name).Resource_.Value, shown.Bytes);
                }
            }

            Assert.Equal(problems.AsEnumerable(), session.Problems);

            // Nothing was taken for another version of itself.
            Assert.Equal(times, Times());

            (string, DateTimeOffset)[] Times() =>
                [.. responses.Select(static response => response.TypeUrl).SelectMany(type => received.Of(type).Resources).Select(static resource => (resource.Name, resource.At))];
        }
    }
}
