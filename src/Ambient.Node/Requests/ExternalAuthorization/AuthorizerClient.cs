using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>
/// Asks external authorizers, over the connections that requests to endpoints take too: a question is one exchange on a pooled connection of the
/// thread that asks. How many may wait, and what they hold, is bounded (<see cref="CheckLimits"/>).
/// </summary>
internal sealed class AuthorizerClient(UpstreamPool upstreams, CheckLimits limits, TimeProvider time)
{
    private readonly ConcurrentDictionary<(string Hostname, int Port), FairShare<AddressKey>> _underway = new();

    /// <summary>Whether an ingress gateway asks, which goes through the waypoint of the authorizer's service where it is told to.</summary>
    public bool IsIngress { get; init; }

    /// <summary>Room for bodies that questions tell, and for the copies of them that questions of gRPC are.</summary>
    public CheckBodies Bodies { get; } = new(limits.MaxBodyBytes);

    /// <summary>Time for what is held of a body to come.</summary>
    public TimeSpan BodyTimeout => limits.BodyTimeout;

    /// <summary>Questions that wait for an answer now.</summary>
    public int Underway => (int)_underway.Values.Sum(static share => share.Held);

    /// <summary>Asks, and says what the answer means. Never throws for what an authorizer or the network does.</summary>
    /// <param name="authorizer">Who is asked.</param>
    /// <param name="mesh">Where its service is.</param>
    /// <param name="self">Who asks.</param>
    /// <param name="facts">About what.</param>
    /// <param name="owner">Who waits for it.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<CheckVerdict> CheckAsync(ExternalAuthorizer authorizer, MeshSnapshot mesh, Workload self, CheckFacts facts, ICheckOwner owner)
    {
        if (authorizer.FindService(mesh) is not { } service)
        {
            return CheckVerdict.Fail($"{authorizer.Hostname} is not in the mesh");
        }

        var underway = _underway.GetOrAdd((authorizer.Hostname, authorizer.Port), static (_, most) => new FairShare<AddressKey>(most), limits.MaxChecks);
        var source = AddressKey.Of(facts.Source.Address);
        if (!underway.TryTake(source, 1))
        {
            return CheckVerdict.Overload($"{underway.Held} of {limits.MaxChecks} questions wait for {authorizer.Hostname} already, and this address has its share of them");
        }

        // The copy of the body that a message of gRPC has lasts as long as the question.
        var copy = authorizer.Protocol == ExternalAuthorizerProtocol.Grpc && !facts.Body.IsEmpty ? Bodies.For(facts.Source.Address) : null;
        try
        {
            if (copy?.TryTake(facts.Body.Length) == false)
            {
                return CheckVerdict.Overload("too many bytes of bodies are held for external authorizers");
            }

            var message = authorizer.Protocol == ExternalAuthorizerProtocol.Grpc ? GrpcCheck.Write(authorizer, facts) : null;
            using var patience = new CancellationTokenSource(authorizer.Timeout, time);
            CheckVerdict verdict;
            try
            {
                verdict = await AskAsync(authorizer, mesh, self, service, facts, message, owner, patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (patience.IsCancellationRequested)
            {
                verdict = CheckVerdict.Fail($"no answer from {authorizer.Hostname} within {authorizer.Timeout.TotalSeconds:0.###} s");
            }

            // Whoever can make a question larger than the authorizer takes must not have it failed open.
            return verdict.Outcome == CheckOutcome.Failed && message?.Length > GrpcCheck.PrefixLength + GrpcCheck.SafeLength
                ? CheckVerdict.Overload($"{verdict.Reason}; a question of {message.Length - GrpcCheck.PrefixLength} bytes may be more than it takes")
                : verdict;
        }
        finally
        {
            copy?.Release();
            underway.Give(source, 1);
        }
    }

    private async ValueTask<CheckVerdict> AskAsync(
        ExternalAuthorizer authorizer, MeshSnapshot mesh, Workload self, MeshService service, CheckFacts facts, byte[]? message, ICheckOwner owner, CancellationToken patience)
    {
        List<Workload> failed = [];
        var (onNew, reason) = (false, "it has no healthy endpoint");
        for (var attempt = 0; attempt < limits.MaxAttempts; attempt++)
        {
            if (EndpointChoice.ForOwn(upstreams.Backends, mesh, self, service, authorizer.Port, null, IsIngress, failed: failed) is not { } endpoint)
            {
                break;
            }

            endpoint = authorizer.Protocol == ExternalAuthorizerProtocol.Grpc ? endpoint with { Http2 = true } : endpoint;
            var upstream = upstreams.Acquire(endpoint);
            endpoint.State?.Begin();
            try
            {
                var turn = await upstream.BeginAsync(onNew, patience).ConfigureAwait(false);
                await using var exchange = turn.Exchange.ConfigureAwait(false);
                owner.Attach(turn.Exchange);
                try
                {
                    return await ConverseAsync(turn.Exchange, authorizer, facts, message, endpoint.Http2, owner.QuestionHead, patience).ConfigureAwait(false);
                }
                catch (MessageException e)
                {
                    reason = e.Message;
                    onNew = e.Fault == MessageFault.Refused || (e.Fault == MessageFault.ClosedUnanswered && turn.IsReused);
                    if (!onNew)
                    {
                        break;
                    }
                }
                finally
                {
                    owner.Detach();
                }
            }
            catch (Exception e) when (e is UpstreamOverflowException or UpstreamConnectException { IsOurs: true })
            {
                // Whoever can fill the connections to it must not have it failed open.
                return CheckVerdict.Overload(e.Message);
            }
            catch (UpstreamConnectException e)
            {
                endpoint.State?.Failed(timedOut: false);
                reason = e.Message;
                failed.Add(endpoint.Workload);
            }
            finally
            {
                endpoint.State?.End();
                upstream.Release();
            }
        }

        return CheckVerdict.Fail($"{authorizer.Hostname}: {reason}");
    }

    private async ValueTask<CheckVerdict> ConverseAsync(
        ClientExchange exchange, ExternalAuthorizer authorizer, CheckFacts facts, byte[]? message, bool http2, RequestHead head, CancellationToken patience)
    {
        var body = message is null ? facts.Body : message;
        if (message is not null)
        {
            GrpcCheck.WriteHead(head, authorizer, body.Length);
        }
        else
        {
            HttpCheck.WriteHead(head, authorizer, facts, http2);
        }

        await exchange.SendHeadAsync(head, end: body.IsEmpty, patience).ConfigureAwait(false);
        var sending = body.IsEmpty ? Task.CompletedTask : SendAsync(exchange, body, patience);
        try
        {
            var answer = await exchange.ReceiveHeadAsync(patience).ConfigureAwait(false);
            while (answer.IsInterim)
            {
                answer = await exchange.ReceiveHeadAsync(patience).ConfigureAwait(false);
            }

            var received = answer.HasBody ? await ReceiveAsync(exchange, patience).ConfigureAwait(false) : [];
            if (received is null)
            {
                return CheckVerdict.Fail($"it answered more than {limits.MaxAnswerBytes} bytes");
            }

            if (message is null)
            {
                return HttpCheck.Read(authorizer, answer.Status, answer.Fields, received);
            }

            var fields = answer.Fields.Contains("grpc-status") ? answer.Fields : exchange.Trailers;
            return GrpcCheck.Read(answer.Status, fields.Get("grpc-status"), fields.Get("grpc-message"), received, tellsBody: !facts.Body.IsEmpty);
        }
        finally
        {
            // Whoever answers before it has heard all of the question does not want the rest.
            if (!sending.IsCompleted)
            {
                exchange.Abort(MessageFault.Aborted);
            }

            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task SendAsync(ClientExchange exchange, ReadOnlyMemory<byte> body, CancellationToken patience)
    {
        await exchange.WriteAsync(body, patience).ConfigureAwait(false);
        await exchange.EndAsync(null, patience).ConfigureAwait(false);
    }

    /// <summary>The answer's body; null: it has more bytes than one may have.</summary>
    private async ValueTask<byte[]?> ReceiveAsync(ClientExchange exchange, CancellationToken patience)
    {
        byte[] received = [];
        while (await exchange.ReadAsync(patience).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            if (received.Length + piece.Length > limits.MaxAnswerBytes)
            {
                return null;
            }

            // An answer is one piece, nearly always.
            var longer = new byte[received.Length + piece.Length];
            received.CopyTo(longer, 0);
            piece.CopyTo(longer.AsMemory(received.Length));
            received = longer;
        }

        return received;
    }
}
