using System.Net;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;

namespace Ambient.Node.Tests.Requests.Upstreams.Balancing;

/// <summary>Endpoints that nobody dials.</summary>
internal static class TestEndpoints
{
    public static EndpointState Of(int number, uint weight = 1, OutlierDetector? detector = null, Locality? locality = null) => new(
        new Workload
        {
            Uid = $"pod-{number}",
            Name = $"pod-{number}",
            Namespace = "app",
            Capacity = weight,
            Locality = locality ?? Locality.Empty,
            Addresses = [AddressOf(number)],
        },
        new IPEndPoint(AddressOf(number), 8080),
        detector);

    public static EndpointState[] Many(int count) => [.. Enumerable.Range(0, count).Select(number => Of(number))];

    public static EndpointSet Set(BalancerSettings settings, TimeProvider? time = null, params EndpointState[] endpoints) =>
        new([new EndpointTier([(1, endpoints)], settings, 0)], settings, time ?? TimeProvider.System);

    private static IPAddress AddressOf(int number) => new([10, (byte)(number >> 16), (byte)(number >> 8), (byte)number]);
}
