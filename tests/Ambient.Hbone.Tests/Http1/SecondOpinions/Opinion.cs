using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Http1;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>What a server makes of the bytes of one connection.</summary>
/// <param name="Requests">The requests that it has read, in order.</param>
/// <param name="Reason">Why it has refused the next one, where it says so; empty: it has not.</param>
internal sealed record Opinion(IReadOnlyList<ReadMessage> Requests, string Reason)
{
    /// <summary>Ours, of the codec alone.</summary>
    public static Opinion Ours(ReadOnlySpan<byte> bytes)
    {
        var (parser, requests) = (new Http1RequestParser(Heads.MaxSize, Heads.MaxFields), new List<ReadMessage>());
        try
        {
            while (!bytes.IsEmpty)
            {
                parser.Reset();
                var read = Heads.Request(parser, bytes);
                bytes = bytes[read.Consumed..];
                if (!read.IsComplete)
                {
                    break;
                }

                var body = new ReadBody([], new HttpFields(), true, 0);
                if (read.Framing.Kind == Http1BodyKind.Chunked)
                {
                    body = Heads.Chunked(bytes);
                }
                else if (read.Framing.Kind == Http1BodyKind.Length)
                {
                    var length = (int)Math.Min(read.Framing.Length, bytes.Length);
                    body = new ReadBody(bytes[..length].ToArray(), new HttpFields(), length == read.Framing.Length, length);
                }

                bytes = bytes[body.Consumed..];
                if (!body.IsDone)
                {
                    break;
                }

                requests.Add(ReadMessage.Of(read.Head, body.Bytes, body.Trailers));
                if (!read.Framing.KeepAlive)
                {
                    break;
                }
            }
        }
        catch (Http1Exception e)
        {
            return new Opinion(requests, e.Message);
        }

        return new Opinion(requests, "");
    }

    /// <summary>That of a server which answers each request with what it has read.</summary>
    /// <param name="server">Server.</param>
    /// <param name="bytes">What is said to it.</param>
    /// <param name="pause">How long it may think before the end of what we say is ended for it: by then it waits for more.</param>
    public static async Task<Opinion> AskAsync(IPEndPoint server, byte[] bytes, TimeSpan pause)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server);
        var answer = new MemoryStream();
        try
        {
            await socket.SendAsync(bytes);
            var buffer = new byte[16 * 1024];
            while (true)
            {
                var receiving = socket.ReceiveAsync(buffer);
                if (await Task.WhenAny(receiving, Task.Delay(pause)) != receiving)
                {
                    socket.Shutdown(SocketShutdown.Send);
                }

                var count = await receiving.WaitAsync(TimeSpan.FromSeconds(20));
                if (count == 0)
                {
                    break;
                }

                answer.Write(buffer, 0, count);
            }
        }
        catch (SocketException)
        {
            // It has closed over bytes that it had not read; what it said before has mostly arrived.
        }

        return Read(answer.ToArray());
    }

    private static Opinion Read(ReadOnlySpan<byte> bytes)
    {
        var requests = new List<ReadMessage>();
        while (!bytes.IsEmpty)
        {
            var read = Heads.Response(bytes);
            if (!read.IsComplete || (!read.Head.IsInterim && read.Head.Status != 200))
            {
                return new Opinion(requests, $"status {read.Head.Status}");
            }

            bytes = bytes[read.Consumed..];
            if (read.Head.IsInterim)
            {
                continue;
            }

            var length = read.Framing.Kind == Http1BodyKind.UntilClose ? bytes.Length : (int)read.Framing.Length;
            var body = read.Framing.Kind == Http1BodyKind.Chunked ? Heads.Chunked(bytes) : new ReadBody(bytes[..Math.Min(length, bytes.Length)].ToArray(), new HttpFields(), length <= bytes.Length, length);
            if (!body.IsDone)
            {
                return new Opinion(requests, "an answer that was cut");
            }

            requests.Add(ReadMessage.Parse(body.Bytes));
            bytes = bytes[body.Consumed..];
        }

        return new Opinion(requests, "");
    }
}
