using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;

namespace Ambient.Node.Capture.Loopback;

/// <summary>
/// What redirection at the destination does in a cluster: plaintext for a captured workload is held against that workload's
/// policies. On one machine nothing redirects it, so the caller's side asks before it connects.
/// </summary>
internal sealed class UnredirectedPlaintext(IMeshSnapshotProvider mesh, PlaintextProxy plaintext, TimeProvider time)
{
    /// <summary>Delivers a connection to a captured workload, if it is for one (<see cref="Outbound.TakePlaintext"/>).</summary>
    public Task? TryTake(CapturedConnection captured, IPEndPoint endpoint, Workload? workload, CancellationToken deadline) =>
        workload is { Protocol: TunnelProtocol.Hbone, NativeTunnel: false }
            ? plaintext.RunAsync(captured with { Destination = endpoint, Workload = LocalWorkload.ByUid(mesh, workload.Uid, time) }, deadline)
            : null;
}
