using System.Collections.Immutable;
using System.Net;

namespace Ambient.Node.Capture.Dns;

/// <summary>What resolv.conf(5) says: whom to ask, and what to append to names.</summary>
/// <param name="Servers">Name servers, in order.</param>
/// <param name="Search">Search domains, in order.</param>
internal sealed record ResolverConfig(ImmutableArray<IPEndPoint> Servers, ImmutableArray<string> Search)
{
    private const int DnsPort = 53;
    private const int MostServers = 3;

    /// <summary>Reads a file; what is not there, or not understood, is left out, as resolvers do.</summary>
    public static ResolverConfig Read(string path = "/etc/resolv.conf")
    {
        try
        {
            return Parse(File.ReadLines(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ResolverConfig([], []);
        }
    }

    /// <summary>Reads lines.</summary>
    public static ResolverConfig Parse(IEnumerable<string> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var servers = ImmutableArray.CreateBuilder<IPEndPoint>();
        ImmutableArray<string> search = [];
        foreach (var line in lines)
        {
            switch (line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            {
                case ["nameserver", var address, ..] when servers.Count < MostServers && IPAddress.TryParse(address, out var server):
                    servers.Add(new IPEndPoint(server, DnsPort));
                    break;
                case ["search" or "domain", .. var domains]:
                    search = [.. domains.Select(domain => domain.Trim('.').ToLowerInvariant())];
                    break;
            }
        }

        return new ResolverConfig(servers.DrainToImmutable(), search);
    }
}
