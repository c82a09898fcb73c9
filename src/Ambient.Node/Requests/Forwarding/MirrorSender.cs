using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>
/// Sends copies of requests to the mirrors of their rules, and throws the answers away. Nobody waits for a copy: what fails, hangs or is too much is let
/// go. A request whose body is longer than what is kept of it (<see cref="BodyRecord.Most"/>) is not copied.
/// </summary>
internal sealed class MirrorSender(UpstreamPool upstreams, TimeProvider time)
{
    private const int Million = 1_000_000;
    private const int MostAtOnce = 1024;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(15);

    private readonly FairShare<string> _underWay = new(MostAtOnce);

    /// <summary>Sends the copies of a request that has been sent whole.</summary>
    public void Send(RequestExchange exchange)
    {
        exchange.IsMirrored = true;
        foreach (var mirror in exchange.Mirrors)
        {
            if (Random.Shared.Next(Million) >= mirror.PartsPerMillion || !HasWholeBody(exchange) || exchange.Head.Upgrade is not null)
            {
                continue;
            }

            if (exchange.Arrival is not { Self: { } self, Place.Mesh: var mesh }
                || exchange.Certified(EndpointChoice.ForOwn(
                    upstreams.Backends, mesh, self, mirror.Service, mirror.Port, mirror.Subset, exchange.Arrival.IsIngress, exchange.Head.Version == HttpProtocolVersion.Http2)) is not { } endpoint)
            {
                continue;
            }

            // A mirror that hangs holds its own copies, and none of the others'.
            if (!_underWay.TryTake(mirror.Service.Key, 1))
            {
                continue;
            }

            var head = new RequestHead();
            head.CopyFrom(exchange.Head);
            head.Fields.Set(HeaderRules.ForwardedFor, head.Fields.Get(HeaderRules.ForwardedFor) is { } earlier ? $"{earlier},{self.Addresses[0]}" : $"{self.Addresses[0]}");
            _ = SendAsync(mirror.Service.Key, endpoint, head, BodyOf(exchange));
        }
    }

    /// <summary>Whether all of its body is at hand, and no more than is copied.</summary>
    private static bool HasWholeBody(RequestExchange exchange) =>
        !exchange.Head.HasBody || (exchange.Sent is { IsWhole: true } sent && sent.Bytes.Length + (exchange.HeldRequest?.Bytes.Length ?? 0) <= BodyRecord.Most);

    /// <summary>What was held of it before it was sent, and what came afterwards.</summary>
    private static byte[] BodyOf(RequestExchange exchange) =>
        !exchange.Head.HasBody ? [] : exchange.HeldRequest is { Bytes: { IsEmpty: false } held } ? [.. held.Span, .. exchange.Sent!.Bytes.Span] : exchange.Sent!.Bytes.ToArray();

    private async Task SendAsync(string mirror, UpstreamEndpoint endpoint, RequestHead head, ReadOnlyMemory<byte> body)
    {
        using var limit = new CancellationTokenSource(s_limit, time);
        var upstream = upstreams.Acquire(endpoint);
        try
        {
            var client = (await upstream.BeginAsync(onNew: false, limit.Token).ConfigureAwait(false)).Exchange;
            await using (client.ConfigureAwait(false))
            {
                await client.SendHeadAsync(head, end: !head.HasBody, limit.Token).ConfigureAwait(false);
                if (head.HasBody)
                {
                    await client.WriteAsync(body, limit.Token).ConfigureAwait(false);
                    await client.EndAsync(cancellationToken: limit.Token).ConfigureAwait(false);
                }

                while ((await client.ReceiveHeadAsync(limit.Token).ConfigureAwait(false)).IsInterim)
                {
                }

                while (!(await client.ReadAsync(limit.Token).ConfigureAwait(false)).IsEmpty)
                {
                }
            }
        }
        catch (Exception e) when (e is MessageException or UpstreamConnectException or UpstreamOverflowException or OperationCanceledException)
        {
            // A copy that fails concerns nobody: the request has its own answer.
        }
        finally
        {
            upstream.Release();
            _underWay.Give(mirror, 1);
        }
    }
}
