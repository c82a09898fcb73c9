using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;

namespace Ambient.Node.Tests.Requests;

/// <summary>One request of HTTP/2 with prior knowledge, byte by byte: with what no client of the platform would send.</summary>
internal static class RawHttp2
{
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte Cancel = 8;
    private const byte ResetStream = 3;

    /// <summary>Sends a request without a body; the stream stays open where <paramref name="endStream"/> is false. True when it was answered with 200.</summary>
    public static Task<bool> IsServedAsync(HboneTunnel tunnel, bool endStream, params (string Name, string Value)[] headers) =>
        IsServedAsync(tunnel.AsStream(), [.. Preface, .. Head(1, endStream, headers)]);

    /// <summary>The same, with others before it in one write, each of which is taken back at once, some of its body sent.</summary>
    public static Task<bool> IsServedBehindAsync(Stream stream, int takenBack, params (string Name, string Value)[] headers)
    {
        List<byte> bytes = [.. Preface];
        for (var i = 0; i < takenBack; i++)
        {
            var id = (byte)((2 * i) + 1);
            bytes.AddRange(Head(id, endStream: false, headers));
            bytes.AddRange([0, 0, 4, Data, 0, 0, 0, 0, id, .. "body"u8]);
            bytes.AddRange([0, 0, 4, ResetStream, 0, 0, 0, 0, id, 0, 0, 0, Cancel]);
        }

        bytes.AddRange(Head((byte)((2 * takenBack) + 1), endStream: true, headers));
        return IsServedAsync(stream, [.. bytes]);
    }

    private static byte[] Preface => [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0];

    private static async Task<bool> IsServedAsync(Stream stream, byte[] bytes)
    {
        await stream.WriteAsync(bytes);
        await stream.FlushAsync();
        return await ReadStatusAsync(stream).WaitAsync(TimeSpan.FromSeconds(60)) == 0x88;
    }

    private static byte[] Head(byte streamId, bool endStream, (string Name, string Value)[] headers)
    {
        var block = new List<byte>();
        foreach (var (name, value) in headers)
        {
            // Literals, never indexed, no Huffman coding: RFC 7541 6.2.3.
            block.Add(0x10);
            block.Add((byte)name.Length);
            block.AddRange(Encoding.Latin1.GetBytes(name));
            block.Add((byte)value.Length);
            block.AddRange(Encoding.Latin1.GetBytes(value));
        }

        return [0, (byte)(block.Count >> 8), (byte)block.Count, Headers, (byte)(endStream ? 5 : 4), 0, 0, 0, streamId, .. block];
    }

    // The first byte of an answer's header block: 0x88 is ":status: 200" of the static table.
    private static async Task<byte> ReadStatusAsync(Stream stream)
    {
        var head = new byte[9];
        while (true)
        {
            await stream.ReadExactlyAsync(head);
            var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
            await stream.ReadExactlyAsync(payload);
            if (head[3] is Headers or ResetStream)
            {
                return payload[0];
            }
        }
    }
}
