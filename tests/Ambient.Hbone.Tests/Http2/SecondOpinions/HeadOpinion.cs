using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Tests.Http2.HPack;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.SecondOpinions;

/// <summary>What a server makes of a request.</summary>
/// <param name="Read">What it has read, in a form in which readings can be compared; null: it has refused it.</param>
/// <param name="Reason">How it has refused it.</param>
internal sealed record HeadOpinion(string? Read, string Reason)
{
    /// <summary>Asks a server which answers with what it has read.</summary>
    public static async Task<HeadOpinion> AskAsync(IPEndPoint server, HeadCase request)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server);
        await using var peer = new RudePeer(new NetworkStream(socket, ownsSocket: false), isClient: true);
        var block = HPackBlocks.Plain([.. request.Headers]);
        await peer.SendRawAsync(Http2Constants.ClientPreface.ToArray());
        await peer.SendSettingsAsync();
        for (var at = 0; at == 0 || at < block.Length; at += 16_000)
        {
            var piece = block[at..Math.Min(block.Length, at + 16_000)];
            var flags = (at + piece.Length == block.Length ? FrameFlags.EndHeaders : 0) | (at == 0 && request.Body is null ? FrameFlags.EndStream : 0);
            await peer.SendAsync(at == 0 ? FrameType.Headers : FrameType.Continuation, flags, 1, piece);
        }

        if (request.Body is { } body)
        {
            await peer.SendDataAsync(1, new byte[body], endStream: true);
        }

        var answer = new MemoryStream();
        var decoder = new HPackDecoder();
        var status = "";
        while (await peer.ReadAsync() is { } frame)
        {
            switch (frame.Type)
            {
                case FrameType.GoAway:
                    return new HeadOpinion(null, $"GOAWAY {frame.Code} {frame.Debug}");
                case FrameType.RstStream when status.Length == 0:
                    return new HeadOpinion(null, $"RST_STREAM {frame.Code}");
                case FrameType.Headers:
                    var last = HeaderList.Decode(decoder, FramePayload.HeaderBlock(frame.Header, frame.Payload)).FirstOrDefault(static header => header.Name == ":status").Value ?? status;
                    status = last == "100" ? status : last;
                    break;
                case FrameType.Data:
                    answer.Write(frame.Payload);
                    break;
            }

            if (frame.EndStream && frame.StreamId == 1 && frame.Type is FrameType.Headers or FrameType.Data && frame.Header.HasFlag(FrameFlags.EndStream))
            {
                return status == "200" && answer.Length > 0 ? new HeadOpinion(Describe(answer.ToArray()), "") : new HeadOpinion(null, $"status {status}");
            }
        }

        return new HeadOpinion(null, "the end");
    }

    private static string Describe(byte[] json)
    {
        var root = JsonDocument.Parse(json).RootElement;
        var all = root.GetProperty("fields").EnumerateArray().Select(static field => field.GetString()!).ToArray();
        var pairs = Enumerable.Range(0, all.Length / 2).Select(i => (Name: all[2 * i].ToLowerInvariant(), Value: all[(2 * i) + 1])).ToList();
        string Find(string name) => pairs.Find(pair => pair.Name == name).Value ?? "";
        var authority = Find(":authority");
        var text = new StringBuilder();
        if (Find(":method") == "CONNECT" && Find(":protocol").Length == 0)
        {
            // It has neither, whatever Kestrel fills in.
            pairs.RemoveAll(static pair => pair.Name is ":scheme" or ":path");
        }

        text.Append(Find(":method")).Append(' ').Append(Find(":scheme")).Append(' ').Append(authority.Length > 0 ? authority : Find("host")).Append(' ').Append(Find(":path")).Append(' ').Append(Find(":protocol"));
        text.Append(" cookie=").AppendJoin("; ", pairs.Where(static pair => pair.Name == "cookie").Select(static pair => pair.Value));
        foreach (var (name, value) in pairs.Where(static pair => pair.Name is not ("host" or "cookie" or "content-length" or "te") && !pair.Name.StartsWith(':')).Order())
        {
            text.Append(" | ").Append(name).Append('=').Append(value);
        }

        // What follows a CONNECT is the tunnel's.
        return text.Append(" body=").Append(Find(":method") == "CONNECT" ? 0 : root.GetProperty("length").GetInt32()).ToString();
    }
}
