using Ambient.Hbone.Options;

namespace Ambient.Hbone.Messages;

/// <summary>Settings of a <see cref="MessageClientConnection"/>. A value out of its range is refused by <see cref="Validate"/>, which the connection calls.</summary>
public sealed class MessageClientOptions
{
    /// <summary>Bytes of a response's head: 1,024 to 1,048,576; 61,440 by default, as Envoy's.</summary>
    public int MaxHeadSize { get; set; } = 60 * 1024;

    /// <summary>Fields of a response's head, and of its trailers: 1 to 10,000; 100 by default, as Envoy's.</summary>
    public int MaxFields { get; set; } = 100;

    /// <summary>Interim heads before the final one, together no larger than <see cref="MaxHeadSize"/>: 1 to 1,000; 20 by default.</summary>
    public int MaxInterimHeads { get; set; } = 20;

    /// <summary>Flow-control window of a stream of HTTP/2 in bytes: 65,535 to 16,777,216; 262,144 by default.</summary>
    public int StreamWindowSize { get; set; } = 256 * 1024;

    /// <summary>Flow-control window of a connection of HTTP/2 in bytes: 65,535 to 268,435,456; 1,048,576 by default.</summary>
    public int ConnectionWindowSize { get; set; } = 1024 * 1024;

    /// <summary>Shortest <see cref="PingInterval"/> and <see cref="PingTimeout"/>.</summary>
    public static TimeSpan ShortestPing { get; } = TimeSpan.FromSeconds(1);

    /// <summary>Time between two PINGs on a connection of HTTP/2 (RFC 9113 section 6.7): 1 second to 1 day; 30 seconds by default.</summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the answer to a PING may take before the connection is given up: 1 second to 1 day; 20 seconds by default.</summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names each.</exception>
    public void Validate()
    {
        var faults = new OptionFaults(nameof(MessageClientOptions));
        faults.Range(nameof(MaxHeadSize), MaxHeadSize, 1_024, 1_048_576);
        faults.Range(nameof(MaxFields), MaxFields, 1, 10_000);
        faults.Range(nameof(MaxInterimHeads), MaxInterimHeads, 1, 1_000);
        faults.Range(nameof(StreamWindowSize), StreamWindowSize, 65_535, 16 * 1024 * 1024);
        faults.Range(nameof(ConnectionWindowSize), ConnectionWindowSize, 65_535, 256 * 1024 * 1024);
        faults.Range(nameof(PingInterval), PingInterval, ShortestPing, TimeSpan.FromDays(1));
        faults.Range(nameof(PingTimeout), PingTimeout, ShortestPing, TimeSpan.FromDays(1));
        faults.Throw();
    }
}
