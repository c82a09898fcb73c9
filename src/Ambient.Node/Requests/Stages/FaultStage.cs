using Ambient.Mesh;

namespace Ambient.Node.Requests.Stages;

/// <summary>Holds requests back and aborts them, as the rule that they match asks.</summary>
internal sealed class FaultStage : RequestStage
{
    private const int Million = 1_000_000;

    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange) => exchange.Route?.Plan.Fault is { } fault ? MakeAsync(exchange, fault) : new(true);

    private static async ValueTask<bool> MakeAsync(RequestExchange exchange, FaultRule fault)
    {
        if (fault.Delay > TimeSpan.Zero && Falls(fault.DelayPartsPerMillion))
        {
            exchange.Flags = ResponseFlags.DelayInjected;
            await exchange.WaitAsync(fault.Delay).ConfigureAwait(false);
        }

        if (!Falls(fault.AbortPartsPerMillion) || (fault.AbortStatus == 0 && fault.AbortGrpcStatus is null))
        {
            return true;
        }

        exchange.Error = $"route {exchange.Route!.Rule} aborts it on purpose";
        exchange.Flags = ResponseFlags.FaultInjected;
        await LocalReply.SendAsync(
            exchange, fault.AbortGrpcStatus is { } grpc ? LocalReply.HttpStatus(grpc) : fault.AbortStatus, LocalReply.FaultAbort, grpcStatus: fault.AbortGrpcStatus).ConfigureAwait(false);
        return false;
    }

    private static bool Falls(int partsPerMillion) => partsPerMillion > 0 && Random.Shared.Next(Million) < partsPerMillion;
}
