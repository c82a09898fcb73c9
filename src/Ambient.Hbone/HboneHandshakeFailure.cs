using System.Net;

namespace Ambient.Hbone;

/// <summary>A connection that ended before HTTP/2 was up.</summary>
/// <param name="RemoteEndPoint">Peer.</param>
/// <param name="LocalEndPoint">Address that it connected to.</param>
/// <param name="Reason">Why, for a log.</param>
/// <param name="Exception">The cause.</param>
public sealed record HboneHandshakeFailure(IPEndPoint RemoteEndPoint, IPEndPoint LocalEndPoint, string Reason, Exception? Exception);
