using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Ambient.Node.Capture.Sockets;

namespace Ambient.Node.Capture.Dns;

/// <summary>
/// Asks other name servers what the mesh does not know, from the pod's own network. Bytes are passed on as they are, under a number and a
/// port that nobody can guess; what comes back must be the answer to that question.
/// </summary>
internal sealed class DnsForwarder(ImmutableArray<IPEndPoint> servers, NodeSockets sockets, TimeProvider time)
{
    private const int Rounds = 2;
    private const int HeaderSize = 12;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>The answer, with the client's number; null when no server gave one.</summary>
    public async Task<byte[]?> AskAsync(ReadOnlyMemory<byte> message, DnsQuery query, bool tcp, CancellationToken cancellationToken)
    {
        var asked = message.ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var server in servers)
            {
                var id = (ushort)RandomNumberGenerator.GetInt32(0x10000);
                BinaryPrimitives.WriteUInt16BigEndian(asked, id);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                using var timer = time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), limit, s_patience, Timeout.InfiniteTimeSpan);
                try
                {
                    var answer = tcp
                        ? await AskTcpAsync(server, asked, limit.Token).ConfigureAwait(false)
                        : await AskUdpAsync(server, asked, query, limit.Token).ConfigureAwait(false);
                    if (answer is not null && IsAnswer(answer, asked, query.QuestionEnd))
                    {
                        DnsAnswer.Relay(answer, query.Id);
                        return answer;
                    }
                }
                catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
                {
                    // The next one may do better.
                }
            }
        }

        return null;
    }

    private async Task<byte[]?> AskUdpAsync(IPEndPoint server, byte[] asked, DnsQuery query, CancellationToken cancellationToken)
    {
        using var socket = sockets.Datagram(server.AddressFamily);

        // Connected: the kernel drops what comes from anybody else.
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        await socket.SendAsync(asked, SocketFlags.None, cancellationToken).ConfigureAwait(false);
        var buffer = new byte[Math.Max(query.Payload, 512) + 1];
        while (true)
        {
            var length = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false);
            if (IsAnswer(buffer.AsSpan(0, length), asked, query.QuestionEnd))
            {
                return buffer[..length];
            }
        }
    }

    private async Task<byte[]?> AskTcpAsync(IPEndPoint server, byte[] asked, CancellationToken cancellationToken)
    {
        using var socket = await sockets.ConnectAsync(server, null, cancellationToken).ConfigureAwait(false);
        var stream = new NetworkStream(socket, ownsSocket: false);
        await using (stream.ConfigureAwait(false))
        {
            await DnsStream.WriteAsync(stream, asked, cancellationToken).ConfigureAwait(false);
            return await DnsStream.ReadAsync(stream, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether it is a response with our number to our question, letter for letter.</summary>
    private static bool IsAnswer(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> asked, int questionEnd) =>
        answer.Length >= questionEnd
        && answer[..2].SequenceEqual(asked[..2])
        && (answer[2] & 0x80) != 0
        && answer[HeaderSize..questionEnd].SequenceEqual(asked[HeaderSize..questionEnd]);
}
