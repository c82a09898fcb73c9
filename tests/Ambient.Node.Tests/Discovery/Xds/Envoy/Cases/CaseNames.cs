using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>The addresses that names outside of the mesh have in these tests.</summary>
internal static class CaseNames
{
    private static readonly Dictionary<string, IPAddress> s_names = new()
    {
        ["dns.example.com"] = IPAddress.Parse("127.42.0.1"),
        ["one.example.net"] = IPAddress.Parse("127.42.0.2"),
        ["two.example.net"] = IPAddress.Parse("127.42.0.3"),
        ["dnsrr.example.com"] = IPAddress.Parse("127.42.0.4"),
        ["x.wild.example.com"] = IPAddress.Parse("127.42.0.5"),
        ["api.example.com"] = IPAddress.Parse("127.42.0.6"),
        ["cred.example.com"] = IPAddress.Parse("127.42.0.7"),
        ["disable.example.com"] = IPAddress.Parse("127.42.0.8"),
        ["one.alias.example.com"] = IPAddress.Parse("127.42.0.9"),
        ["proxyp.example.com"] = IPAddress.Parse("127.42.0.10"),
        ["proxyp1.example.com"] = IPAddress.Parse("127.42.0.11"),
        ["insecure.example.com"] = IPAddress.Parse("127.42.0.12"),
        ["istio.example.com"] = IPAddress.Parse("127.42.0.13"),
    };

    public static IEnumerable<IPAddress> Addresses => s_names.Values;

    public static string? NameOf(IPAddress address) => s_names.Where(entry => entry.Value.Equals(address)).Select(entry => entry.Key).FirstOrDefault();

    public static Task<IPAddress[]> ResolveAsync(string name, AddressFamily family) =>
        s_names.TryGetValue(name, out var address) ? Task.FromResult<IPAddress[]>([address]) : throw new SocketException((int)SocketError.HostNotFound);
}
