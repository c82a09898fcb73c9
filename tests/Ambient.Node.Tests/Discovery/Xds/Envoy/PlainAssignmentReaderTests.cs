using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Discovery.Xds.Envoy.Hostile;
using Ambient.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Endpoints read where they lie are those that Google.Protobuf and <see cref="AssignmentReader"/> make of the same bytes.</summary>
public sealed class PlainAssignmentReaderTests
{
    [SkippableFact]
    public void RecordedAssignments_AreTheSame_AndNearlyAllAreReadInPlace()
    {
        var (all, plain) = (0, 0);
        foreach (var (_, resource) in Recording.All().SelectMany(static recording => recording.Resources()).Where(static entry => entry.Type == EnvoyTypes.Assignment))
        {
            all++;
            plain += Check(resource.Resource_.Value.ToByteArray()) ? 1 : 0;
        }

        Assert.True(plain > all * 9 / 10, $"{plain} of {all}");
    }

    [Fact]
    public void Read_AnyAssignment_IsTheSame()
    {
        var random = new Random(1);
        var read = 0;
        for (var i = 0; i < 10_000; i++)
        {
            read += Check(Random(random).ToByteArray()) ? 1 : 0;
        }

        Assert.True(read > 2_000, $"only {read} were read in place");
    }

    [Fact]
    public void Read_DamagedBytes_IsTheSameOrLeft()
    {
        var random = new Random(2);
        for (var i = 0; i < 10_000; i++)
        {
            var bytes = Random(random).ToByteArray();
            Check([.. bytes, .. bytes]);
            for (var damage = random.Next(1, 4); damage > 0 && bytes.Length > 0; damage--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            Check(bytes);
            Check(bytes[..random.Next(bytes.Length + 1)]);
        }
    }

    [Fact]
    public void Read_WhatIsAsBefore_IsTheSameObject()
    {
        var wire = new ClusterLoadAssignment { ClusterName = "c", Endpoints = { new LocalityLbEndpoints { Locality = new() { Region = "r" }, LbEndpoints = { Tunnel("10.0.0.1"), Tunnel("10.0.0.2"), Tunnel("fd00::3") } } } };
        var first = PlainAssignmentReader.Read(wire.ToByteArray(), null)!;

        Assert.Same(first, PlainAssignmentReader.Read(wire.ToByteArray(), first));

        wire.Endpoints[0].LbEndpoints[1] = Tunnel("10.0.0.9");
        var second = PlainAssignmentReader.Read(wire.ToByteArray(), first)!;

        Assert.Same(first.Endpoints[0], second.Endpoints[0]);
        Assert.Equal("10.0.0.9", second.Endpoints[1].Address.ToString());
        Assert.Same(first.Endpoints[2], second.Endpoints[2]);

        // Fewer than before, and another policy.
        wire.Endpoints[0].LbEndpoints.RemoveAt(2);
        Assert.Equal(2, PlainAssignmentReader.Read(wire.ToByteArray(), second)!.Endpoints.Length);
        Assert.Equal(AssignmentReader.ReadAny(wire.ToByteArray(), new Problems()), PlainAssignmentReader.Read(wire.ToByteArray(), second with { Overprovisioning = 200 }));
    }

    /// <summary>Whether it was read in place. It is read as the first that comes, as one that came before, and after another one.</summary>
    private static bool Check(byte[] bytes)
    {
        if (PlainAssignmentReader.Read(bytes, null) is not { } plain)
        {
            return false;
        }

        var problems = new Problems();
        var whole = AssignmentReader.ReadAny(bytes, problems);
        Assert.Equal(whole, plain);
        Assert.Empty(problems.ToPart().Blocked);
        Assert.Empty(problems.ToPart().PassedOver);
        Assert.Equal(whole, PlainAssignmentReader.Read(bytes, whole));
        Assert.Equal(whole, PlainAssignmentReader.Read(bytes, Other(whole)));
        return true;
    }

    private static EnvoyAssignment Other(EnvoyAssignment assignment) => assignment with
    {
        Endpoints = [.. assignment.Endpoints.Reverse().Select(static (endpoint, i) => i % 2 == 0 ? endpoint : endpoint with { Port = endpoint.Port ^ 1, Weight = endpoint.Weight + 1 })],
    };

    private static LbEndpoint Tunnel(string address)
    {
        var target = address.Contains(':', StringComparison.Ordinal) ? $"[{address}]:8080" : $"{address}:8080";
        return new LbEndpoint
        {
            Endpoint = new() { Address = new() { EnvoyInternalAddress = new() { ServerListenerName = "connect_originate", EndpointId = target } } },
            HealthStatus = HealthStatus.Healthy,
            Metadata = new() { FilterMetadata = { ["istio"] = Texts(("workload", "a;b;c;d;e")), ["envoy.filters.listener.original_dst"] = Texts(("local", target)) } },
            LoadBalancingWeight = 1,
        };
    }

    private static Struct Texts(params (string Key, string Value)[] texts)
    {
        var made = new Struct();
        foreach (var (key, value) in texts)
        {
            made.Fields[key] = Value.ForString(value);
        }

        return made;
    }

    private static ClusterLoadAssignment Random(Random random)
    {
        var wire = new ClusterLoadAssignment { ClusterName = Pick(random, "inbound-vip|80|http|a.b", "", "ü") };
        for (var i = random.Next(3); i > 0; i--)
        {
            var locality = new LocalityLbEndpoints { Priority = (uint)random.Next(3) };
            if (random.Next(2) == 0)
            {
                locality.Locality = new() { Region = Pick(random, "r", "", "é"), Zone = Pick(random, "z", "", "y"), SubZone = Pick(random, "", "", "s") };
            }

            if (random.Next(2) == 0)
            {
                locality.LoadBalancingWeight = (uint)random.Next(3);
            }

            for (var j = random.Next(4); j > 0; j--)
            {
                locality.LbEndpoints.Add(RandomEndpoint(random));
            }

            wire.Endpoints.Add(locality);
        }

        if (random.Next(10) == 0)
        {
            wire.Policy = new() { OverprovisioningFactor = 150 };
        }

        return wire;
    }

    private static LbEndpoint RandomEndpoint(Random random)
    {
        var endpoint = new LbEndpoint { HealthStatus = (HealthStatus)random.Next(5), Endpoint = new() { Address = new() } };
        if (random.Next(2) == 0)
        {
            endpoint.Endpoint.Address.SocketAddress = new() { Address = Pick(random, "10.0.0.1", "fd00::1", "10.0.1", "::ffff:10.0.0.1", "name.example", ""), PortValue = (uint)random.Next(3) };
        }
        else
        {
            endpoint.Endpoint.Address.EnvoyInternalAddress = new()
            {
                ServerListenerName = Pick(random, "connect_originate", "connect_originate", "inner_connect_originate", "other"),
                EndpointId = Pick(random, "10.0.0.1:80", "[fd00::1]:80", "10.0.0.1", "x:1", "0xa.0.0.1:080"),
            };
        }

        var filters = endpoint.Metadata = new Metadata();
        Add("istio", Texts((Pick(random, "workload", "workload", "double_hbone"), Pick(random, "a;b", "", "ü"))));
        Add("envoy.filters.listener.original_dst", Texts((Pick(random, "local", "local", "waypoint"), Pick(random, "10.0.0.1:80", "10.0.0.2:81", "", "y"))));
        Add("envoy.transport_socket_match", random.Next(3) == 0 ? Texts(("a", "b"), ("c", "d")) : Texts((Pick(random, "tlsMode", "a"), Pick(random, "istio", "", "b=c"))));
        Add("other", Texts(("a", "b")), 10);
        if (random.Next(2) == 0)
        {
            endpoint.LoadBalancingWeight = (uint)random.Next(3);
        }

        return endpoint;

        void Add(string filter, Struct values, int rarity = 2)
        {
            if (random.Next(rarity) == 0)
            {
                filters.FilterMetadata[filter] = values;
            }
        }
    }

    private static string Pick(Random random, params string[] texts) => texts[random.Next(texts.Length)];
}
