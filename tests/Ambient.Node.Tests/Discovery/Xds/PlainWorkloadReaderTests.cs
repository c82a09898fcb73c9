using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Workloads;
using Google.Protobuf;
using Xunit;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>A workload read where it lies is the one that Google.Protobuf and <see cref="AddressReader"/> make of it.</summary>
public sealed class PlainWorkloadReaderTests
{
    private readonly AddressReader _whole = new(new StringPool());
    private readonly PlainWorkloadReader _plain = new(new StringPool(), new ServicesPool(new StringPool()));

    [Fact]
    public void Read_AnyWorkload_IsTheSame()
    {
        var random = new Random(1);
        var read = 0;
        for (var i = 0; i < 20_000; i++)
        {
            read += Check(new Wire.Address { Workload = Random(random) }.ToByteArray()) ? 1 : 0;
        }

        Assert.True(read > 5_000, $"only {read} were read in place");
    }

    [Fact]
    public void Read_DamagedBytes_IsTheSameOrLeft()
    {
        var random = new Random(2);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = new Wire.Address { Workload = Random(random) }.ToByteArray();
            Check(bytes);
            Check([.. bytes, .. bytes]);
            for (var damage = random.Next(1, 4); damage > 0; damage--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            Check(bytes);
            Check(bytes[..random.Next(bytes.Length)]);
        }
    }

    [Fact]
    public void Read_PartsSeenBefore_AreShared()
    {
        var (first, second) = (Usual("a"), Usual("b"));
        Assert.Null(_plain.Read(first));
        _plain.Learn(first, (Workload)_whole.Read(first));

        var (a, b) = (_plain.Read(first)!, _plain.Read(second)!);

        Assert.Equal("b", b.Uid);
        Assert.Same(a.Services, b.Services);
        Assert.Same(a.Locality, b.Locality);
        Assert.Same(a.Waypoint, b.Waypoint);
        Assert.Same(a.Namespace, b.Namespace);
    }

    private static byte[] Usual(string uid) => new Wire.Address
    {
        Workload = new Wire.Workload
        {
            Uid = uid,
            Namespace = "ns",
            Services = { ["ns/h"] = new Wire.PortList { Ports = { new Wire.Port { ServicePort = 80, TargetPort = 8080 } } } },
            Locality = new Wire.Locality { Region = "r" },
            Waypoint = new Wire.GatewayAddress { Hostname = new Wire.NamespacedHostname { Namespace = "ns", Hostname = "w" }, HboneMtlsPort = 15008 },
        },
    }.ToByteArray();

    /// <summary>Whether it was read in place.</summary>
    private bool Check(byte[] bytes)
    {
        if (_plain.Read(bytes) is { } plain)
        {
            Assert.Equal(_whole.Read(bytes), plain);
            return true;
        }

        try
        {
            if (_whole.Read(bytes) is Workload workload)
            {
                _plain.Learn(bytes, workload);
            }
        }
        catch (Exception e) when (e is ResourceException or InvalidProtocolBufferException or ArgumentException or InvalidOperationException)
        {
        }

        return false;
    }

    private static Wire.Workload Random(Random random)
    {
        string Text() => random.Next(100) switch { < 8 => "", 8 => "ü", 9 => new string('x', 300), var n => $"text-{n % 10}" };
        bool Rarely() => random.Next(15) == 0;
        var workload = new Wire.Workload
        {
            Uid = Rarely() ? "" : $"uid-{random.Next(100)}", Name = Text(), Namespace = Text(), Network = Text(), Node = Text(), TrustDomain = Text(), ServiceAccount = Text(),
            CanonicalName = Text(), CanonicalRevision = Text(), WorkloadName = Text(), ClusterId = Text(), Hostname = Text(),
            TunnelProtocol = (Wire.TunnelProtocol)(Rarely() ? 2 : random.Next(2)), WorkloadType = (Wire.WorkloadType)random.Next(Rarely() ? 6 : 4),
            Status = (Wire.WorkloadStatus)(Rarely() ? 2 : random.Next(2)), NetworkMode = (Wire.NetworkMode)(Rarely() ? 2 : random.Next(2)), NativeTunnel = random.Next(2) == 0,
        };
        for (var i = random.Next(3); i > 0; i--)
        {
            workload.Addresses.Add(ByteString.CopyFrom(new byte[Rarely() ? 5 : random.Next(2) == 0 ? 4 : 16]));
            workload.AuthorizationPolicies.Add(Text());
            workload.Services[$"ns/h{random.Next(4)}"] = new Wire.PortList { Ports = { new Wire.Port { ServicePort = Rarely() ? 70_000u : 80, TargetPort = (uint)random.Next(3) } } };
        }

        if (random.Next(2) == 0)
        {
            workload.Locality = new Wire.Locality { Region = $"r{random.Next(3)}", Zone = Rarely() ? "z" : "" };
            workload.Waypoint = new Wire.GatewayAddress
            {
                Address = new Wire.NetworkAddress { Address = ByteString.CopyFrom(10, 0, 0, (byte)random.Next(3)) }, HboneMtlsPort = Rarely() ? 0u : 15008,
            };
        }

        if (Rarely())
        {
            workload.Capacity = 3;
            workload.Locality = new Wire.Locality();
        }

        if (Rarely())
        {
            workload.NetworkGateway = new Wire.GatewayAddress { HboneMtlsPort = 15008 };
        }

        if (Rarely())
        {
            workload.ApplicationTunnel = new Wire.ApplicationTunnel { Port = 1 };
        }

        return workload;
    }
}
