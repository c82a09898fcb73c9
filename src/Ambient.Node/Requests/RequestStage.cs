namespace Ambient.Node.Requests;

/// <summary>One step of the pipeline. Has no state: that is the exchange's.</summary>
internal abstract class RequestStage
{
    /// <summary>Takes a request through. False: it was answered, and no later stage sees it.</summary>
    public abstract ValueTask<bool> RunAsync(RequestExchange exchange);

    /// <summary>Answers a request here, so that no later stage sees it.</summary>
    internal static async ValueTask<bool> ReplyAsync(RequestExchange exchange, int status, string body, string flags, string? location = null, bool isOfRoute = false)
    {
        exchange.Flags = flags;
        await LocalReply.SendAsync(exchange, status, body, location: location, isOfRoute: isOfRoute).ConfigureAwait(false);
        return false;
    }
}
