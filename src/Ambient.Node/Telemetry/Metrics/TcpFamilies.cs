namespace Ambient.Node.Telemetry.Metrics;

/// <summary>The five counters of a TCP connection.</summary>
/// <param name="Opened">Begun.</param>
/// <param name="Closed">Ended.</param>
/// <param name="Received">Bytes from client to server.</param>
/// <param name="Sent">Bytes from server to client.</param>
/// <param name="Failed">Ended with a failure.</param>
internal sealed record TcpFamilies(CounterFamily Opened, CounterFamily Closed, CounterFamily Received, CounterFamily Sent, CounterFamily Failed);
