using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Tests.Discovery.Xds;

public sealed class ServicesPoolTests
{
    private readonly ServicesPool _pool = new(new StringPool());

    [Fact]
    public void EqualMaps_AreOneInstance_WhateverTheirOrder()
    {
        var first = _pool.Get(Map(("ns/a", 80, 8080), ("ns/b", 81, 8081)));

        Assert.Same(first, _pool.Get(Map(("ns/b", 81, 8081), ("ns/a", 80, 8080))));
        Assert.Equal(new ServicePort(80, 8080), Assert.Single(first["ns/a"]));
        Assert.Equal(new ServicePort(81, 8081), Assert.Single(first["ns/b"]));
    }

    [Fact]
    public void MapsThatDiffer_AreNotMixedUp()
    {
        var first = _pool.Get(Map(("ns/a", 80, 8080)));

        Assert.Equal(9090, _pool.Get(Map(("ns/a", 80, 9090)))["ns/a"][0].TargetPort);
        Assert.Equal(2, _pool.Get(Map(("ns/a", 80, 8080), ("ns/b", 80, 8080))).Count);
        Assert.Empty(_pool.Get(Map()));
        Assert.Same(first, _pool.Get(Map(("ns/a", 80, 8080))));
    }

    [Fact]
    public void PortThatIsNone_IsRefused() =>
        Assert.Contains("70000 is not a port", Assert.Throws<ResourceException>(() => _pool.Get(Map(("ns/a", 70000, 1)))).Message, StringComparison.Ordinal);

    [Fact]
    [Trait("Category", "Fuzz")]
    public void AnyMap_IsWhatTheWireSays() => FuzzBudget.Run(50_000, random =>
    {
        // Few enough to meet again, many enough for the pool to be emptied on the way.
        var wire = Map([.. Enumerable.Range(0, random.Next(4)).Select(_ => ($"ns/{random.Next(50)}", random.Next(60), random.Next(60))).DistinctBy(entry => entry.Item1)]);

        var map = _pool.Get(wire);

        Assert.Equal(wire.Count, map.Count);
        foreach (var (key, list) in wire)
        {
            Assert.Equal(list.Ports.Select(port => new ServicePort((int)port.ServicePort, (int)port.TargetPort)), map[key]);
        }
    });

    [Fact]
    public void MapOnTheWire_IsTheOneThatGoogleReads_OrLeftToIt()
    {
        var read = 0;
        FuzzBudget.Run(20_000, random =>
        {
            var wire = new Wire.Workload();
            for (var i = random.Next(4); i > 0; i--)
            {
                var list = new Wire.PortList();
                for (var ports = random.Next(3); ports > 0; ports--)
                {
                    list.Ports.Add(new Wire.Port
                    {
                        ServicePort = (uint)random.Next(random.Next(20) == 0 ? 200_000 : 100), TargetPort = (uint)random.Next(100), AppProtocol = (Wire.AppProtocol)random.Next(8),
                    });
                }

                wire.Services[random.Next(20) == 0 ? "ns/ü" : $"ns/{random.Next(9)}"] = list;
            }

            var bytes = wire.ToByteArray();
            if (bytes.Length > 0 && random.Next(3) == 0)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            if (Read(bytes) is { } map)
            {
                read++;
                Assert.Equal(Told(_pool.Get(Wire.Workload.Parser.ParseFrom(bytes).Services)), Told(map));
            }
        });
        Assert.True(read > 0);
    }

    [Fact]
    public void MapOfManyServices_IsLeftToGoogle()
    {
        var wire = new Wire.Workload();
        for (var i = 0; i < 40; i++)
        {
            wire.Services[$"ns/{i}"] = new Wire.PortList();
        }

        Assert.Null(_pool.Get(wire.ToByteArray().AsSpan()));
    }

    [Theory]
    [InlineData("B2010A0A01FF0A016112021200")]
    [InlineData("B201100A0161120408BD8401120508BD840112")]
    public void EntryWithAFieldThatGoogleRefuses_IsLeftToIt(string bytes) => Assert.Null(Read(Convert.FromHexString(bytes)));

    private static string Told(ImmutableDictionary<string, ImmutableArray<ServicePort>> map) =>
        string.Join("; ", map.OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => $"{entry.Key}: {string.Join(", ", entry.Value)}"));

    private ImmutableDictionary<string, ImmutableArray<ServicePort>>? Read(byte[] bytes)
    {
        try
        {
            return OnlyMaps(bytes) ? _pool.Get(bytes.AsSpan()) : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Whether the fields are the map's, which whoever asks the pool has looked at.</summary>
    private static bool OnlyMaps(byte[] bytes)
    {
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            if (fields.Number != 22 || !fields.IsText)
            {
                return false;
            }
        }

        return true;
    }

    private static MapField<string, Wire.PortList> Map(params (string Key, int Port, int Target)[] entries)
    {
        var map = new MapField<string, Wire.PortList>();
        foreach (var (key, port, target) in entries)
        {
            map[key] = new Wire.PortList { Ports = { new Wire.Port { ServicePort = (uint)port, TargetPort = (uint)target } } };
        }

        return map;
    }
}
