using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;

namespace Ambient.Node.Outbound;

/// <summary>
/// Takes a plain connection over that nothing would capture at its destination, for the destination's policies to decide. The
/// task carries it to its end; null when it is not for such a workload, and goes its way.
/// </summary>
/// <param name="captured">The connection.</param>
/// <param name="endpoint">Where it is about to go.</param>
/// <param name="workload">The workload of that address; null when it is none of the mesh.</param>
/// <param name="deadline">Cancelled at the drain deadline.</param>
internal delegate Task? TakePlaintext(CapturedConnection captured, IPEndPoint endpoint, Workload? workload, CancellationToken deadline);
