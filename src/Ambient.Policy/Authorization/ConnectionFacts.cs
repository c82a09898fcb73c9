using System.Net;
using Ambient.Identity;

namespace Ambient.Policy.Authorization;

/// <summary>What L4 policy may ask of a connection.</summary>
/// <param name="Source">Address of the peer.</param>
/// <param name="Destination">Address and port on the workload, after port resolution.</param>
/// <param name="Identity">Authenticated identity of the peer, or null.</param>
public readonly record struct ConnectionFacts(IPEndPoint Source, IPEndPoint Destination, SpiffeId? Identity);
