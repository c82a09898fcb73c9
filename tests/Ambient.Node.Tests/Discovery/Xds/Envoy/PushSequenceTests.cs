using System.Collections.Concurrent;
using System.Net;
using Ambient.Identity;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Requests;
using Ambient.Testing;
using Google.Protobuf;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>istiod's pushes as they were recorded, one after another, while requests are under way, whose route and endpoints they change: every one of them is answered.</summary>
[Trait("Category", "Golden")]
[Collection(GoldenRequestTests.Collection)]
public sealed class PushSequenceTests
{
    private const string Assignment = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

    private readonly GoldenBackends _backends;

    public PushSequenceTests(GoldenRequestTests.Backends fixture) => _backends = fixture.Value;

    [SkippableFact]
    public async Task Pushes_LoseNoRequest()
    {
        var recording = Path.Combine(GoldenFolder.Case("xds", "push-sequence"), "xds", "waypoint");
        await using var istiod = await RecordedIstiod.StartAsync(recording, answered: InTheClear);
        foreach (var workload in istiod.Store.Current.Workloads.Values.Where(workload => workload.Addresses is [var address, ..] && address.ToString().StartsWith("127.11.", StringComparison.Ordinal)))
        {
            await _backends.StartAsync(workload.Addresses[0]);
        }

        await using var engine = GoldenEngine.Start(istiod.Store);
        var service = istiod.Store.Current.Services["app/a.app.svc.cluster.local"];
        using var ended = new CancellationTokenSource();
        var answers = new ConcurrentBag<int>();
        var callers = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            while (!ended.IsCancellationRequested)
            {
                var answer = await engine.AskAsync(
                    "GET", "/", "a:8080", new Dictionary<string, string>(), IPAddress.Loopback, SpiffeId.ForServiceAccount("cluster.local", "app", "a"), service, null);
                answers.Add(answer.Status);
            }
        })).ToArray();

        var steps = 0;
        foreach (var step in Directory.EnumerateDirectories(Path.Combine(recording, "push")).Order(StringComparer.Ordinal))
        {
            foreach (var file in Directory.EnumerateFiles(step, "*.binpb").Order(StringComparer.Ordinal))
            {
                var push = InTheClear(DeltaDiscoveryResponse.Parser.ParseFrom(await File.ReadAllBytesAsync(file)));
                foreach (var address in Addresses(push))
                {
                    await _backends.StartAsync(address);
                }

                push.Nonce = Guid.NewGuid().ToString();
                istiod.Server.Discovery.Push(push);
                var answer = await istiod.Server.Discovery.WaitAsync(request => request.ResponseNonce == push.Nonce);
                Assert.Null(answer.ErrorDetail);
                steps++;

                // The twelfth takes away the service that the route leads to: from there on it is answered that it is not there.
                Assert.True(answers.All(status => status == 200) || string.CompareOrdinal(Path.GetFileName(step), "12") >= 0, $"{Path.GetFileName(step)}: {string.Join(' ', answers.Where(status => status != 200))}");
            }
        }

        // As many requests after the last push as a caller has had in each.
        var before = answers.Count;
        await XdsKit.UntilAsync(() => answers.Count > before + 20);
        await ended.CancelAsync();
        await Task.WhenAll(callers);
        Assert.True(steps > 40, $"{steps} pushes");
        Assert.Contains(200, answers);
        Assert.Equal(1, istiod.Server.Discovery.Opened);
    }

    private static IEnumerable<IPAddress> Addresses(DeltaDiscoveryResponse response) => response.Resources.Where(resource => resource.Resource_.TypeUrl == Assignment)
        .SelectMany(resource => ClusterLoadAssignment.Parser.ParseFrom(resource.Resource_.Value).Endpoints).SelectMany(locality => locality.LbEndpoints)
        .Select(endpoint => endpoint.Endpoint.Address.SocketAddress?.Address).OfType<string>().Where(address => address.StartsWith("127.11.", StringComparison.Ordinal))
        .Distinct().Select(IPAddress.Parse);

    /// <summary>Endpoints as they are behind their tunnels: the backends of these tests speak plainly.</summary>
    private static DeltaDiscoveryResponse InTheClear(DeltaDiscoveryResponse response)
    {
        foreach (var resource in response.Resources.Where(resource => resource.Resource_.TypeUrl == Assignment))
        {
            var assignment = ClusterLoadAssignment.Parser.ParseFrom(resource.Resource_.Value);
            foreach (var endpoint in assignment.Endpoints.SelectMany(locality => locality.LbEndpoints))
            {
                if (endpoint.Endpoint.Address.EnvoyInternalAddress is { } tunnel && IPEndPoint.TryParse(tunnel.EndpointId, out var target))
                {
                    endpoint.Endpoint.Address = new Address { SocketAddress = new Protos.Envoy.SocketAddress { Address = target.Address.ToString(), PortValue = (uint)target.Port } };
                    endpoint.Metadata?.FilterMetadata.Remove("envoy.filters.listener.original_dst");
                }
            }

            resource.Resource_.Value = assignment.ToByteString();
        }

        return response;
    }
}
