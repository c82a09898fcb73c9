using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Ambient.Testing;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Whatever happens to recorded configuration: nothing fails, and what is cut off opens nothing.</summary>
[Trait("Category", "Fuzz")]
public sealed class EnvoyFuzzTests
{
    private static readonly string[] s_files = ["wds", "cds", "eds", "lds", "rds", "sds"];

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("http");

    public static IEnumerable<object[]> MoreCases => GoldenFolder.Cases("xds");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void ListenerCutOff_OpensNothing(string name)
    {
        var folder = Path.Combine(GoldenFolder.Case("http", name), "xds", "waypoint");
        var listeners = DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(folder, "lds.binpb")));
        var main = listeners.Resources.Single(resource => resource.Name == "main_internal");
        var whole = main.Resource_.Value;
        var (session, store) = Start(folder);
        var before = Openings(store.Current);
        Assert.NotEmpty(before);
        FuzzBudget.Run(60, random =>
        {
            main.Resource_.Value = ByteString.CopyFrom(whole.Span[..random.Next(whole.Length)]);
            session.Tell(EnvoyTypes.Listener, main);
            Assert.Empty(Openings(store.Current).Except(before));
        });

        main.Resource_.Value = whole;
        session.Tell(EnvoyTypes.Listener, main);
        Assert.Equal(before, Openings(store.Current));
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Damaged_IsReadOrRefused(string name) => Damaged(GoldenFolder.Case("http", name));

    [SkippableTheory]
    [MemberData(nameof(MoreCases))]
    public void DamagedBesides_IsReadOrRefused(string name) => Damaged(GoldenFolder.Case("xds", name));

    private static void Damaged(string folder)
    {
        foreach (var recording in Directory.EnumerateDirectories(Path.Combine(folder, "xds")))
        {
            foreach (var file in s_files.Select(file => Path.Combine(recording, $"{file}.binpb")).Where(File.Exists))
            {
                var original = File.ReadAllBytes(file);
                FuzzBudget.Run(10, random =>
                {
                    var (session, store) = Start(recording);
                    try
                    {
                        session.Hear(Damage.Of(original, random));
                    }
                    catch (Exception e) when (e is InvalidProtocolBufferException or InvalidDataException)
                    {
                        // No message at all: the stream fails, and the mesh stays.
                    }

                    Openings(store.Current);
                });
            }
        }
    }

    private static (EnvoySession Session, MeshStore Store) Start(string recording)
    {
        var store = new MeshStore();
        var session = new EnvoySession(store, RecordedIstiod.NodeOf(recording).Node, NullLogger.Instance);
        foreach (var file in s_files.Select(file => Path.Combine(recording, $"{file}.binpb")).Where(File.Exists))
        {
            session.Hear(File.ReadAllBytes(file));
        }

        return (session, store);
    }

    /// <summary>Who gets where, of a few callers and requests; everything that they are asked by is compiled.</summary>
    private static HashSet<string> Openings(MeshSnapshot mesh)
    {
        var open = new HashSet<string>();
        foreach (var gateway in mesh.Requests.Gateways.Values)
        {
            _ = RequestPolicies.ForGateway(mesh, gateway);
            _ = RequestRoutes.ForGateway(mesh, gateway);
            foreach (var service in mesh.Services.Values.Where(service => mesh.Requests.Places.ContainsKey(service.Key)))
            {
                var (policies, routes) = (RequestPolicies.ForWaypoint(mesh, gateway, service), RequestRoutes.ForService(mesh, service));
                foreach (var (who, method, path) in from who in new[] { "a", "b" } from method in new[] { "GET", "POST" } from path in new[] { "/", "/a/b", "/admin" } select (who, method, path))
                {
                    var facts = new RequestFacts
                    {
                        Identity = SpiffeId.ForServiceAccount("cluster.local", "app", who),
                        Source = new IPEndPoint(IPAddress.Loopback, 1),
                        Destination = new IPEndPoint(IPAddress.Loopback, 8080),
                        Method = method,
                        Host = service.Hostname,
                        Path = path,
                        Header = static _ => null,
                    };
                    if (RequestAuthorizer.Authorize(policies, facts).IsAllowed
                        && routes.Route(new RouteFacts(8080, service.Hostname, method, path, "", static _ => null), new Random(1)).Error is null)
                    {
                        open.Add($"{service.Key} {who} {method} {path}");
                    }
                }
            }
        }

        return open;
    }
}
