using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Where one try of a request goes.</summary>
/// <param name="Workload">Workload that is dialled.</param>
/// <param name="Address">Its address and the port it listens on; with a waypoint, the service's.</param>
/// <param name="Http2">Whether it is spoken to in HTTP/2 (prior knowledge) rather than HTTP/1.1.</param>
/// <param name="Waypoint">The way to the service's waypoint, when that is where the request goes; else null.</param>
internal readonly record struct UpstreamEndpoint(Workload Workload, IPEndPoint Address, bool Http2, ConnectionRoute? Waypoint = null);
