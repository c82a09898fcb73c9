using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Ambient.Node.Lifetime;
using Ambient.Node.Sockets;

namespace Ambient.Node.Capture.Dns;

/// <summary>
/// Asks other name servers what the mesh does not know, from one pod's own network. Bytes are passed on as they are, under a number and a
/// port that nobody can guess; what comes back must be the answer to that question.
/// </summary>
internal sealed class DnsForwarder(ImmutableArray<IPEndPoint> servers, NodeSockets sockets, TimeProvider time)
{
    /// <summary>How many of the pod's questions may wait for something at the same time.</summary>
    public const int MostWaiting = 256;

    private const int Rounds = 2;
    private const int HeaderSize = 12;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private int _waiting;

    /// <summary>
    /// Takes a place among the questions that wait. A pod that asks faster than it is answered hears so, rather than filling the memory;
    /// other pods have places of their own.
    /// </summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _waiting) <= MostWaiting)
        {
            return true;
        }

        Interlocked.Decrement(ref _waiting);
        return false;
    }

    /// <summary>Gives the place back.</summary>
    public void Leave() => Interlocked.Decrement(ref _waiting);

    /// <summary>The answer, with the client's number; null when no server gave one.</summary>
    public async Task<byte[]?> AskAsync(ReadOnlyMemory<byte> message, DnsQuery query, bool tcp, CancellationToken cancellationToken)
    {
        var asked = message.ToArray();
        byte[]? refusal = null;
        for (var round = 0; round < Rounds; round++)
        {
            // Some servers know no TCP, or a firewall does not: what fits is then had by UDP.
            var stream = tcp && round == 0;
            var silent = false;
            foreach (var server in servers)
            {
                var answer = await AskAsync(server, asked, query, stream, cancellationToken).ConfigureAwait(false);
                if (answer is null || (tcp && DnsAnswer.IsTruncated(answer)))
                {
                    silent = true;
                    continue;
                }

                DnsAnswer.Relay(answer, query.Id);
                if (!IsRefusal(answer))
                {
                    return answer;
                }

                // Another server may be able to; if none is, this is what we heard.
                refusal ??= answer;
            }

            if (!silent)
            {
                break;
            }
        }

        return refusal;
    }

    private async Task<byte[]?> AskAsync(IPEndPoint server, byte[] asked, DnsQuery query, bool tcp, CancellationToken cancellationToken)
    {
        BinaryPrimitives.WriteUInt16BigEndian(asked, (ushort)RandomNumberGenerator.GetInt32(0x10000));
        using var limit = new TimeLimit(s_patience, time, cancellationToken);
        try
        {
            return tcp
                ? await AskTcpAsync(server, asked, query, limit.Token).ConfigureAwait(false)
                : await AskUdpAsync(server, asked, query, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // The next one may do better.
            return null;
        }
    }

    private async Task<byte[]?> AskUdpAsync(IPEndPoint server, byte[] asked, DnsQuery query, CancellationToken cancellationToken)
    {
        using var socket = sockets.Datagram(server.AddressFamily);

        // Connected: the kernel drops what comes from anybody else.
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        await socket.SendAsync(asked, SocketFlags.None, cancellationToken).ConfigureAwait(false);
        var buffer = new byte[query.Payload + 1];
        while (true)
        {
            var length = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false);
            if (Read(buffer.AsSpan(0, length), asked, query) is { } answer)
            {
                // More than the client said it takes: it would get a piece that cannot be read.
                return length > query.Payload ? DnsAnswer.Truncated(asked, query) : answer;
            }
        }
    }

    private async Task<byte[]?> AskTcpAsync(IPEndPoint server, byte[] asked, DnsQuery query, CancellationToken cancellationToken)
    {
        using var socket = await sockets.ConnectAsync(server, null, cancellationToken).ConfigureAwait(false);
        var stream = new NetworkStream(socket, ownsSocket: false);
        await using (stream.ConfigureAwait(false))
        {
            await DnsStream.WriteAsync(stream, asked, cancellationToken).ConfigureAwait(false);
            return await DnsStream.ReadAsync(stream, cancellationToken).ConfigureAwait(false) is { } answer ? Read(answer, asked, query) : null;
        }
    }

    /// <summary>
    /// The answer, if it is a response with our number to our question; servers may write its letters otherwise. A server that cannot read
    /// a question may leave it out of its refusal: then it is put back.
    /// </summary>
    internal static byte[]? Read(ReadOnlySpan<byte> answer, byte[] asked, in DnsQuery query)
    {
        if (answer.Length < HeaderSize || !answer[..2].SequenceEqual(asked.AsSpan(0, 2)) || (answer[2] & 0x80) == 0)
        {
            return null;
        }

        if (BinaryPrimitives.ReadUInt16BigEndian(answer[4..]) == 0)
        {
            return IsRefusal(answer) ? DnsAnswer.Failure(asked, query, (DnsCode)(answer[3] & 0xf)) : null;
        }

        return answer.Length >= query.QuestionEnd && IsSame(answer[HeaderSize..query.QuestionEnd], asked.AsSpan(HeaderSize, query.QuestionEnd - HeaderSize))
            ? answer.ToArray()
            : null;
    }

    private static bool IsSame(ReadOnlySpan<byte> question, ReadOnlySpan<byte> asked)
    {
        // Lengths of labels are below any letter; type and class, the last four bytes, are none.
        for (var i = 0; i < asked.Length - 4; i++)
        {
            if (Lower(question[i]) != Lower(asked[i]))
            {
                return false;
            }
        }

        return question[^4..].SequenceEqual(asked[^4..]);

        static int Lower(byte b) => b is >= (byte)'A' and <= (byte)'Z' ? b | 0x20 : b;
    }

    /// <summary>Whether it says more about the server than about the name: FORMERR, SERVFAIL, NOTIMP, REFUSED.</summary>
    private static bool IsRefusal(ReadOnlySpan<byte> answer) => (answer[3] & 0xf) is 1 or 2 or 4 or 5;
}
