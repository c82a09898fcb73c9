using System.Buffers;
using System.IO.Pipelines;
using Ambient.Hbone;
using Ambient.Hbone.AspNetCore;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Member;

/// <summary>A CONNECT to a member: delivered to Kestrel, in place of a socket of the application.</summary>
internal sealed class MemberArrival(MemberPolicyView policies, HboneTransport transport, MemberConnection connection) : InboundArrival
{
    /// <inheritdoc/>
    public override AuthorizationDecision Authorize() => policies.Current?.Authorize(connection.Facts) ?? default;

    /// <inheritdoc/>
    public override ConnectionObjection? ObjectionIn(MeshSnapshot mesh) =>
        policies.Current?.Authorize(connection.Facts) is { IsAllowed: false } decision ? new ConnectionObjection(ConnectionEnd.PolicyChange, decision.ToString()) : null;

    /// <inheritdoc/>
    public override async ValueTask<InboundDelivery> DeliverAsync(HboneConnect connect, OpenConnection open, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(open.Ended, cancellationToken);
        var tunnel = connect.Accept();
        await using (tunnel.ConfigureAwait(false))
        {
            try
            {
                // By the version of HTTP that is spoken inside.
                var protocol = await DetectAsync(tunnel.Input, ended.Token).ConfigureAwait(false);
                if (protocol != InnerProtocol.Closed)
                {
                    var endPoint = protocol == InnerProtocol.Http2 ? MemberInbound.Http2 : MemberInbound.Http1;
                    await transport.ServeAsync(
                        endPoint, tunnel, connection, ended.Token, context => context.Transport = new CountedTransport(context.Transport, open.Bytes)).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
            {
                // The peer left, or the server is stopping; either way there is nobody to answer.
                tunnel.Abort();
            }

            return open.EndedBy == ConnectionEnd.None ? ConnectionOutcome.Complete : ConnectionOutcome.EndedBy(open.EndedBy, open.EndReason);
        }
    }

    /// <summary>Waits for the first bytes, and takes none.</summary>
    private static async ValueTask<InnerProtocol> DetectAsync(PipeReader input, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken).ConfigureAwait(false);
            var buffer = result.Buffer;
            var known = ProtocolSniffer.Judge(buffer.IsSingleSegment ? buffer.FirstSpan : buffer.Slice(0, Math.Min(buffer.Length, 64)).ToArray(), declaredHttp: true);
            if (known is null && result.IsCompleted)
            {
                known = buffer.IsEmpty ? InnerProtocol.Closed : InnerProtocol.Http1;
            }

            // What was not examined is seen at once by whoever reads next.
            input.AdvanceTo(buffer.Start, known is null ? buffer.End : buffer.Start);
            if (known is { } protocol)
            {
                return protocol;
            }
        }
    }
}
