using Ambient.Hbone.Options;

namespace Ambient.Hbone.Messages;

/// <summary>Settings of a <see cref="MessageServer"/>. A value out of its range is refused by <see cref="Validate"/>, which the server calls.</summary>
public sealed class MessageServerOptions
{
    /// <summary>Bytes of a request's head: 1,024 to 1,048,576; 61,440 by default, as Envoy's. Beyond it: 431.</summary>
    public int MaxHeadSize { get; set; } = 60 * 1024;

    /// <summary>Fields of a request's head, and of its trailers: 1 to 10,000; 100 by default, as Envoy's. Beyond it: 431.</summary>
    public int MaxFields { get; set; } = 100;

    /// <summary>Time for a head, from its first byte: 10 ms to 1 hour; 60 seconds by default. Beyond it: 408, and the connection is closed.</summary>
    public TimeSpan HeadTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a connection may idle between requests: 10 ms to 1 day; 1 hour by default, as Envoy's.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// How long an exchange may go on while nothing of it moves either way, upgraded ones too: 10 ms to 365 days; 1 hour by default. Beyond it, see
    /// <see cref="ServerExchange.OnStalled"/>.
    /// </summary>
    public TimeSpan ExchangeIdleTimeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Whether requests of HTTP/1.0 are served; false by default, as Envoy's. Where they are not: 426 (RFC 9110 section 15.5.22), and the connection is closed.
    /// </summary>
    public bool AcceptHttp10 { get; set; }

    /// <summary>Requests that a client may have open on a connection of HTTP/2: 1 to 10,000; 100 by default.</summary>
    public int MaxConcurrentStreams { get; set; } = 100;

    /// <summary>Flow-control window of a stream of HTTP/2 in bytes: 65,535 to 16,777,216; 262,144 by default.</summary>
    public int StreamWindowSize { get; set; } = 256 * 1024;

    /// <summary>Flow-control window of a connection of HTTP/2 in bytes: 65,535 to 268,435,456; 1,048,576 by default.</summary>
    public int ConnectionWindowSize { get; set; } = 1024 * 1024;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names each.</exception>
    public void Validate()
    {
        var faults = new OptionFaults(nameof(MessageServerOptions));
        faults.Range(nameof(MaxHeadSize), MaxHeadSize, 1_024, 1_048_576);
        faults.Range(nameof(MaxFields), MaxFields, 1, 10_000);
        faults.Range(nameof(HeadTimeout), HeadTimeout, OptionFaults.Shortest, TimeSpan.FromHours(1));
        faults.Range(nameof(IdleTimeout), IdleTimeout, OptionFaults.Shortest, TimeSpan.FromDays(1));
        faults.Range(nameof(ExchangeIdleTimeout), ExchangeIdleTimeout, OptionFaults.Shortest, TimeSpan.FromDays(365));
        faults.Range(nameof(MaxConcurrentStreams), MaxConcurrentStreams, 1, 10_000);
        faults.Range(nameof(StreamWindowSize), StreamWindowSize, 65_535, 16 * 1024 * 1024);
        faults.Range(nameof(ConnectionWindowSize), ConnectionWindowSize, 65_535, 256 * 1024 * 1024);
        faults.Throw();
    }
}
