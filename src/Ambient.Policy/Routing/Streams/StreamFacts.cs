using System.Net;

namespace Ambient.Policy.Routing.Streams;

/// <summary>What routes may ask of a connection whose bytes are not looked into.</summary>
/// <param name="Port">Port that it came to: the service's at a waypoint, the listener's at a gateway.</param>
/// <param name="ServerName">Server name of TLS; empty or null when there is none.</param>
/// <param name="Source">The client's address; null: it is not known, and no range has it.</param>
/// <param name="Destination">The address that was asked for; null: likewise.</param>
public readonly record struct StreamFacts(int Port, string? ServerName, IPAddress? Source, IPAddress? Destination);
