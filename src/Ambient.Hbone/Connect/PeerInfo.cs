using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>Who is at the other end of a connection; shared by all its tunnels.</summary>
internal sealed record PeerInfo(SpiffeId Identity, IPEndPoint RemoteEndPoint, IPEndPoint LocalEndPoint);
