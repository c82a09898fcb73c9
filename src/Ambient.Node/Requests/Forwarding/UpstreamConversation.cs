using System.Globalization;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>
/// A request and its answer between client and endpoint: head, interim answers, bodies both ways at once, trailers, and what follows an upgrade. Bytes
/// are flushed when nothing more is at hand, so that a small message leaves as one piece and a stream is not held up.
/// </summary>
internal static class UpstreamConversation
{
    private const int Continue = 100;
    private const int WorthDraining = 16 * 1024;

    private static readonly TimeSpan s_drainTime = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs to the end of the answer. False: it is one that the request is sent again for, and the client has seen nothing of it.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="client">Its turn on a connection.</param>
    /// <param name="endpoint">Where that goes.</param>
    /// <param name="clock">Its time limits, or null.</param>
    /// <param name="retry">Which answers are tried again; null: none, as there is no try left.</param>
    /// <param name="mirrors">Sends copies once it is sent.</param>
    /// <param name="time">Clock.</param>
    /// <exception cref="MessageException">Either side broke off.</exception>
    public static ValueTask<bool> RunAsync(
        RequestExchange exchange, ClientExchange client, UpstreamEndpoint endpoint, TryClock? clock, RetryRule? retry, MirrorSender mirrors, TimeProvider time)
    {
        var head = exchange.Head;
        if (head.Upgrade is not null)
        {
            return RunUpgradeAsync(exchange, client, endpoint, clock, retry, mirrors, time);
        }

        var sent = time.GetTimestamp();
        var sending = client.SendHeadAsync(head, end: !head.HasBody);
        if (!sending.IsCompletedSuccessfully)
        {
            return RunAfterHeadAsync(sending, sent, exchange, client, endpoint, clock, retry, mirrors, time);
        }

        sending.GetAwaiter().GetResult();
        return RunAnswerAsync(exchange, client, endpoint, retry, SendRest(exchange, client, clock, mirrors), sent, time);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<bool> RunAfterHeadAsync(
        ValueTask head, long sent, RequestExchange exchange, ClientExchange client, UpstreamEndpoint endpoint, TryClock? clock, RetryRule? retry, MirrorSender mirrors, TimeProvider time)
    {
        await head.ConfigureAwait(false);
        return await RunAnswerAsync(exchange, client, endpoint, retry, SendRest(exchange, client, clock, mirrors), sent, time).ConfigureAwait(false);
    }

    /// <summary>The head is sent: what follows it is sent, too. Null: nothing does.</summary>
    private static Task? SendRest(RequestExchange exchange, ClientExchange client, TryClock? clock, MirrorSender mirrors)
    {
        if (exchange.Head.HasBody)
        {
            return SendBodyAsync(exchange, client, clock, mirrors);
        }

        if (exchange is { IsMirrored: false, Mirrors.Length: > 0 })
        {
            mirrors.Send(exchange);
        }

        return null;
    }

    /// <summary>Waits for the answer and returns it. What few answers need is in methods of its own: this one is run for each request.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<bool> RunAnswerAsync(
        RequestExchange exchange, ClientExchange client, UpstreamEndpoint endpoint, RetryRule? retry, Task? sending, long sent, TimeProvider time)
    {
        try
        {
            var answer = await client.ReceiveHeadAsync().ConfigureAwait(false);
            if (answer.IsInterim)
            {
                answer = await PassInterimAsync(exchange, client, answer).ConfigureAwait(false);
            }

            if (IsTriedAgain(exchange, endpoint, answer, retry))
            {
                await DrainAsync(client, answer, time).ConfigureAwait(false);
                return false;
            }

            Edit(exchange, answer, endpoint, time.GetElapsedTime(sent));
            await ReturnAsync(exchange, client, sending).ConfigureAwait(false);
            return true;
        }
        finally
        {
            if (sending is not null)
            {
                await EndSendingAsync(exchange, client, sending).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The same of a request that asks for another protocol.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<bool> RunUpgradeAsync(
        RequestExchange exchange, ClientExchange client, UpstreamEndpoint endpoint, TryClock? clock, RetryRule? retry, MirrorSender mirrors, TimeProvider time)
    {
        var (server, head) = (exchange.Server, exchange.Head);
        var socket = WebSocketHandshake.Begin(exchange, endpoint.Http2);
        var sent = time.GetTimestamp();
        await client.SendHeadAsync(head, end: false).ConfigureAwait(false);
        Task? sending = null;
        if (head.HasBody)
        {
            sending = SendBodyAsync(exchange, client, clock, mirrors);
        }
        else
        {
            await client.FlushAsync().ConfigureAwait(false);
        }

        try
        {
            var answer = await client.ReceiveHeadAsync().ConfigureAwait(false);
            if (answer.IsInterim)
            {
                answer = await PassInterimAsync(exchange, client, answer).ConfigureAwait(false);
            }

            if (IsTriedAgain(exchange, endpoint, answer, retry))
            {
                await DrainAsync(client, answer, time).ConfigureAwait(false);
                return false;
            }

            var response = Edit(exchange, answer, endpoint, time.GetElapsedTime(sent));
            if (!exchange.Services.Filters.IsEmpty && !await RequestFilters.RunOnResponseAsync(exchange, client, exchange.Services.Filters).ConfigureAwait(false))
            {
                return true;
            }

            if (response.Upgrade is not null)
            {
                socket.Complete(response, head.Version);
                exchange.Status = response.Status;
                await server.SendHeadAsync(response, end: false).ConfigureAwait(false);
                await server.FlushAsync().ConfigureAwait(false);
                sending ??= SendBodyAsync(exchange, client, null, mirrors);
                await ReturnBodyAsync(exchange, client).ConfigureAwait(false);
                return true;
            }

            if (!head.HasBody)
            {
                await client.EndAsync().ConfigureAwait(false);
            }

            await ReturnFilteredAsync(exchange, client, sending).ConfigureAwait(false);
            return true;
        }
        finally
        {
            if (sending is not null)
            {
                await EndSendingAsync(exchange, client, sending).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Passes interim answers on. The final one.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<ResponseHead> PassInterimAsync(RequestExchange exchange, ClientExchange client, ResponseHead answer)
    {
        while (answer.IsInterim)
        {
            if (answer.Status != Continue || exchange.Head.ExpectsContinue)
            {
                await exchange.Server.SendInterimAsync(answer).ConfigureAwait(false);
            }

            answer = await client.ReceiveHeadAsync().ConfigureAwait(false);
        }

        return answer;
    }

    /// <summary>Whether the request is sent again for an answer, which the endpoint is told of.</summary>
    private static bool IsTriedAgain(RequestExchange exchange, UpstreamEndpoint endpoint, ResponseHead answer, RetryRule? retry)
    {
        var grpc = GrpcStatusOf(answer);
        endpoint.State?.Answered(grpc is { } code && exchange.IsGrpc ? LocalReply.HttpStatus(code) : answer.Status);
        return retry is not null && RetryDecision.OnAnswer(retry, answer.Status, grpc) && !exchange.IsBodyLost && exchange.TryRetry();
    }

    /// <summary>An answer that is complete before the request is ends it: nobody reads the rest, and an endpoint that takes no more of it must not be waited for.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private static async ValueTask EndSendingAsync(RequestExchange exchange, ClientExchange client, Task sending)
    {
        if (!sending.IsCompleted)
        {
            exchange.StopSending();
            client.Abort(MessageFault.Aborted);
        }

        await sending.ConfigureAwait(false);
        exchange.ResumeSending();
    }

    /// <summary>Sends the answer to the client, as <see cref="Edit"/> has made it.</summary>
    private static ValueTask ReturnAsync(RequestExchange exchange, ClientExchange client, Task? sending) =>
        exchange.Services.Filters.IsEmpty ? ReturnFilteredAsync(exchange, client, sending) : FilterAndReturnAsync(exchange, client, sending);

    private static async ValueTask FilterAndReturnAsync(RequestExchange exchange, ClientExchange client, Task? sending)
    {
        if (await RequestFilters.RunOnResponseAsync(exchange, client, exchange.Services.Filters).ConfigureAwait(false))
        {
            await ReturnFilteredAsync(exchange, client, sending).ConfigureAwait(false);
        }
    }

    private static ValueTask ReturnFilteredAsync(RequestExchange exchange, ClientExchange client, Task? sending)
    {
        var response = exchange.Server.Response;
        response.Upgrade = null;
        var head = exchange.Server.SendHeadAsync(response, end: !response.HasBody);
        if (!head.IsCompletedSuccessfully)
        {
            return ReturnAfterHeadAsync(head, exchange, client, sending);
        }

        head.GetAwaiter().GetResult();
        return ReturnRestAsync(exchange, client, sending);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private static async ValueTask ReturnAfterHeadAsync(ValueTask head, RequestExchange exchange, ClientExchange client, Task? sending)
    {
        await head.ConfigureAwait(false);
        await ReturnRestAsync(exchange, client, sending).ConfigureAwait(false);
    }

    private static ValueTask ReturnRestAsync(RequestExchange exchange, ClientExchange client, Task? sending)
    {
        if (sending is { IsCompleted: true })
        {
            // Sent for good: an answer that lasts must not hold it.
            exchange.HeldRequest?.Release();
        }

        return exchange.Server.Response.HasBody ? ReturnBodyAsync(exchange, client) : default;
    }

    /// <summary>Reads what is left of a small answer that nobody gets, so that its connection serves on. Not waited for longer than a connection is worth.</summary>
    private static async ValueTask DrainAsync(ClientExchange client, ResponseHead answer, TimeProvider time)
    {
        if (answer is not { HasBody: true, ContentLength: <= WorthDraining })
        {
            return;
        }

        using var patience = new CancellationTokenSource(s_drainTime, time);
        try
        {
            while (!(await client.ReadAsync(patience.Token).ConfigureAwait(false)).IsEmpty)
            {
            }
        }
        catch (Exception e) when (e is MessageException || (e is OperationCanceledException && patience.IsCancellationRequested))
        {
            // The answer is known all the same. What was not read to its end is not used again.
        }
    }

    private static int? GrpcStatusOf(ResponseHead answer) =>
        answer.Fields.TryGet("grpc-status", out var status) && int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out var code) ? code : null;

    /// <summary>The head of the answer, as it goes to the client.</summary>
    private static ResponseHead Edit(RequestExchange exchange, ResponseHead answer, UpstreamEndpoint endpoint, TimeSpan took)
    {
        var head = exchange.Server.Response;
        head.CopyFrom(answer);
        if (head.Status == 204)
        {
            // RFC 9110 section 8.6: it must not announce a length, whatever the endpoint thinks.
            head.ContentLength = null;
        }

        if (exchange.Route is { } route)
        {
            try
            {
                HeaderEdits.Apply(head, route.ResponseHeaders);
            }
            catch (ArgumentException e)
            {
                throw new MessageException(MessageFault.Aborted, $"the route cannot be followed: {e.Message}", e);
            }
        }

        exchange.Affinity.Apply(head, endpoint.Address);
        exchange.Cors?.Apply(head.Fields);
        HeaderMutations.Apply(head.Fields, exchange.ResponseEdits);
        var headers = exchange.ProxyHeaders;
        HeaderRules.SetServer(head.Fields, headers);
        if (headers.Debug != false)
        {
            HeaderRules.Set(head.Fields, HeaderRules.UpstreamServiceTime, Math.Max(0, (long)took.TotalMilliseconds));
        }

        if (head.Fields.TryGet("grpc-status", out _))
        {
            exchange.GrpcStatus = head.Fields.Get("grpc-status");
        }

        exchange.Status = head.Status;
        return head;
    }

    /// <summary>Sends the request's body. What breaks it off breaks the exchange off; who waits for the answer is told by that.</summary>
    private static async Task SendBodyAsync(RequestExchange exchange, ClientExchange client, TryClock? clock, MirrorSender mirrors)
    {
        var server = exchange.Server;
        var stop = exchange.Sending;
        try
        {
            if (exchange.HeldRequest is { Bytes.IsEmpty: false } held)
            {
                if (exchange is { IsGrpc: true, Attempts: 1 })
                {
                    exchange.RequestMessages.Pass(held.Bytes.Span);
                }

                await client.WriteAsync(held.Bytes, stop).ConfigureAwait(false);
            }

            var record = exchange.Sent;
            if (record is { Bytes.IsEmpty: false })
            {
                // The tries before this one had it from the client.
                await client.WriteAsync(record.Bytes, stop).ConfigureAwait(false);
            }

            while (exchange.HeldRequest is not { IsWhole: true } && record is not { IsWhole: true })
            {
                if (!server.TryRead(out var piece))
                {
                    await client.FlushAsync(stop).ConfigureAwait(false);
                    piece = await server.ReadAsync(stop).ConfigureAwait(false);
                }

                if (piece.IsEmpty)
                {
                    break;
                }

                if (exchange.IsGrpc)
                {
                    exchange.RequestMessages.Pass(piece.Span);
                }

                record?.Append(piece);
                await client.WriteAsync(piece, stop).ConfigureAwait(false);
            }

            if (record is { IsLost: false })
            {
                record.IsWhole = true;
            }

            clock?.Start();
            await client.EndAsync(server.Trailers.Count > 0 ? server.Trailers : null, stop).ConfigureAwait(false);
            if (exchange is { IsMirrored: false, Mirrors.Length: > 0 })
            {
                mirrors.Send(exchange);
            }
        }
        catch (MessageException)
        {
            if (server.Fault != MessageFault.None)
            {
                client.Abort(MessageFault.ClientGone);
            }
        }
        catch (OperationCanceledException)
        {
            // The answer is complete.
        }
    }

    /// <summary>Sends the body of the answer, and its end. What has come in whole goes on without a state machine.</summary>
    private static ValueTask ReturnBodyAsync(RequestExchange exchange, ClientExchange client)
    {
        ValueTask write = default;
        if (exchange.HeldResponse is null)
        {
            while (write.IsCompletedSuccessfully && client.TryRead(out var piece))
            {
                write.GetAwaiter().GetResult();
                if (piece.IsEmpty)
                {
                    return EndAnswerAsync(exchange, client);
                }

                write = WriteAnswerAsync(exchange, piece);
            }
        }

        return ReturnBodySlowlyAsync(write, exchange, client);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private static async ValueTask ReturnBodySlowlyAsync(ValueTask write, RequestExchange exchange, ClientExchange client)
    {
        await write.ConfigureAwait(false);
        if (exchange.HeldResponse is { Bytes.IsEmpty: false } held)
        {
            await WriteAnswerAsync(exchange, held.Bytes).ConfigureAwait(false);
        }

        while (exchange.HeldResponse is not { IsWhole: true })
        {
            if (!client.TryRead(out var piece))
            {
                await exchange.Server.FlushAsync().ConfigureAwait(false);
                piece = await client.ReadAsync().ConfigureAwait(false);
            }

            if (piece.IsEmpty)
            {
                break;
            }

            await WriteAnswerAsync(exchange, piece).ConfigureAwait(false);
        }

        await EndAnswerAsync(exchange, client).ConfigureAwait(false);
    }

    private static ValueTask WriteAnswerAsync(RequestExchange exchange, ReadOnlyMemory<byte> piece)
    {
        if (exchange.IsGrpc)
        {
            exchange.ResponseMessages.Pass(piece.Span);
        }

        return exchange.Server.WriteAsync(piece);
    }

    private static ValueTask EndAnswerAsync(RequestExchange exchange, ClientExchange client)
    {
        var trailers = client.Trailers;
        if (trailers.Count > 0 && trailers.TryGet("grpc-status", out _))
        {
            exchange.GrpcStatus = trailers.Get("grpc-status");
        }

        return exchange.Server.EndAsync(trailers.Count > 0 ? trailers : null);
    }
}
