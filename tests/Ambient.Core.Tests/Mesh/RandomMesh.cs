using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

/// <summary>Random objects from a small universe, so that addresses, names and keys collide often.</summary>
internal sealed class RandomMesh(int seed)
{
    private static readonly string[] Networks = ["", "n2"];
    private static readonly string[] Namespaces = ["a", "b", "c"];

    internal Random Random { get; } = new(seed);

    internal static IEnumerable<NetworkAddress> Addresses =>
        from network in Networks from last in Enumerable.Range(1, 6) select new NetworkAddress(network, IPAddress.Parse($"10.0.0.{last}"));

    internal static IEnumerable<string?> ClientNamespaces => [null, "a", "b", "other"];

    internal static IEnumerable<string> Hostnames => ["s1.mesh", "s2.mesh", "s3.mesh"];

    internal string Uid() => Random.Next(2) == 0 ? $"K//Pod/a/p{Random.Next(8)}" : $"K/networking.istio.io/WorkloadEntry/a/w{Random.Next(8)}";

    internal string ServiceKey() => $"{Pick(Namespaces)}/{Pick([.. Hostnames])}";

    internal string PolicyKey() => $"{Pick(Namespaces)}/p{Random.Next(4)}";

    internal Workload Workload() => new()
    {
        Uid = Uid(),
        Name = "w",
        Namespace = Pick(Namespaces),
        Network = Pick(Networks),
        Node = $"node-{Random.Next(3)}",
        Hostname = Random.Next(4) == 0 ? Pick([.. Hostnames]) : "",
        Addresses = [.. Enumerable.Range(0, Random.Next(3)).Select(_ => Address())],
        Protocol = (TunnelProtocol)Random.Next(2),
        NetworkMode = Random.Next(6) == 0 ? NetworkMode.HostNetwork : NetworkMode.Standard,
        Status = (WorkloadStatus)Random.Next(2),
        Services = Enumerable.Range(0, Random.Next(3)).Select(_ => ServiceKey()).Distinct()
            .ToImmutableDictionary(key => key, _ => ImmutableArray.Create(new ServicePort(80, Random.Next(8080, 8083)))),
    };

    internal MeshService Service()
    {
        var key = ServiceKey().Split('/');
        return new MeshService
        {
            Name = "s",
            Namespace = key[0],
            Hostname = key[1],
            Vips = [.. Enumerable.Range(0, Random.Next(3)).Select(_ => new NetworkAddress(Pick(Networks), Address())).Distinct()],
            CidrVips = [.. Enumerable.Range(0, Random.Next(3)).Select(_ => Cidr()).Distinct()],
            Canonical = Random.Next(3) == 0,
            Visibility = (ServiceVisibility)Random.Next(2),
            LoadBalancing = Random.Next(2) == 0 ? null : new LoadBalancing([], LoadBalancingMode.Standard, (EndpointHealthPolicy)Random.Next(2)),
        };
    }

    internal AuthorizationPolicy Policy()
    {
        var key = PolicyKey().Split('/');
        return new AuthorizationPolicy
        {
            Namespace = key[0],
            Name = key[1],
            Scope = (PolicyScope)Random.Next(3),
            Action = (PolicyAction)Random.Next(2),
            Rules = [new([new([new() { DestinationPorts = [Random.Next(80, 83)] }])])],
        };
    }

    internal T Pick<T>(IReadOnlyList<T> items) => items[Random.Next(items.Count)];

    private IPAddress Address() => IPAddress.Parse($"10.0.0.{Random.Next(1, 7)}");

    private NetworkCidr Cidr()
    {
        var prefix = Pick([8, 24, 30, 31, 32]);
        var address = Address().GetAddressBytes();
        for (var bit = prefix; bit < 32; bit++)
        {
            address[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new NetworkCidr(Pick(Networks), new IPNetwork(new IPAddress(address), prefix));
    }
}
