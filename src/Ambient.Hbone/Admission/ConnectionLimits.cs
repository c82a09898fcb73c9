using Ambient.Hbone.Options;

namespace Ambient.Hbone.Admission;

/// <summary>
/// How many connections and handshakes a host admits at a time, in all and for each peer. An address is an IPv4 address or the /64 network of an
/// IPv6 address, because whoever has one address of such a network has all of them.
/// </summary>
public sealed record ConnectionLimits
{
    /// <summary>Open connections in all: 1 to 10,000,000; 16,384 by default. Each TLS connection holds about 55 KB while it is idle.</summary>
    public int MaxConnections { get; init; } = 16_384;

    /// <summary>Open connections from one address: 1 to 10,000,000; 1,024 by default.</summary>
    public int MaxConnectionsPerAddress { get; init; } = 1_024;

    /// <summary>Open connections of one SPIFFE identity, whatever their addresses: 1 to 10,000,000; 4,096 by default.</summary>
    public int MaxConnectionsPerIdentity { get; init; } = 4_096;

    /// <summary>
    /// TLS handshakes in flight in all: 1 to 100,000; 512 by default. When one more comes, the oldest of the address that has the most gives way.
    /// </summary>
    public int MaxHandshakes { get; init; } = 512;

    /// <summary>TLS handshakes in flight from one address: 1 to 100,000; 128 by default. When one more comes, that address's oldest gives way.</summary>
    public int MaxHandshakesPerAddress { get; init; } = 128;

    /// <summary>
    /// Bytes that one identity may make this host hold for it over all of its connections, because it does not read what it asked for:
    /// 65,536 to 1 GB; 8 MB by default. From then on each of its streams reads one small buffer ahead and no more.
    /// </summary>
    public long MaxBufferedBytesPerIdentity { get; init; } = 8 * 1024 * 1024;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names each.</exception>
    public void Validate()
    {
        var faults = new OptionFaults(nameof(ConnectionLimits));
        faults.Range(nameof(MaxConnections), MaxConnections, 1, 10_000_000);
        faults.Range(nameof(MaxConnectionsPerAddress), MaxConnectionsPerAddress, 1, 10_000_000);
        faults.Range(nameof(MaxConnectionsPerIdentity), MaxConnectionsPerIdentity, 1, 10_000_000);
        faults.Range(nameof(MaxHandshakes), MaxHandshakes, 1, 100_000);
        faults.Range(nameof(MaxHandshakesPerAddress), MaxHandshakesPerAddress, 1, 100_000);
        faults.Range(nameof(MaxBufferedBytesPerIdentity), MaxBufferedBytesPerIdentity, 65_536, 1L << 30);
        faults.Throw();
    }
}
