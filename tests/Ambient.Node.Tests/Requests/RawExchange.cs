using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Node.Tests.Requests;

/// <summary>Requests and answers byte by byte: an endpoint that tells what it got and answers what it is told, and a client that sends what it is told.</summary>
internal static class RawExchange
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Serves connections of an endpoint: notes each request, head and body, and answers it.</summary>
    /// <param name="seen">Where requests are noted.</param>
    /// <param name="answer">The answer, by the request; CRLF is made of LF.</param>
    public static Func<Socket, Task> Endpoint(ConcurrentQueue<string> seen, Func<string, string> answer) => async socket =>
    {
        using var stream = new NetworkStream(socket, ownsSocket: false);
        while (await ReadAsync(stream, hasBody: null) is { Length: > 0 } request)
        {
            seen.Enqueue(request);
            await stream.WriteAsync(Bytes(answer(request)));
        }
    };

    /// <summary>Sends a request and reads the answer to its end. CRLF is made of LF.</summary>
    public static async Task<string> AskAsync(Stream stream, string request)
    {
        await stream.WriteAsync(Bytes(request));
        await stream.FlushAsync();
        return await ReadAsync(stream, hasBody: !request.StartsWith("HEAD ", StringComparison.Ordinal)).WaitAsync(s_patience);
    }

    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\n", "\r\n", StringComparison.Ordinal));

    /// <summary>Reads one message, byte by byte so that nothing of the next is taken; empty at the end.</summary>
    public static async Task<string> ReadAsync(Stream stream, bool? hasBody)
    {
        var text = new StringBuilder();
        if (!await UntilAsync(stream, text, "\r\n\r\n"))
        {
            return text.ToString();
        }

        var head = text.ToString();
        if (hasBody == false || head.StartsWith("HTTP/1.1 204", StringComparison.Ordinal) || head.StartsWith("HTTP/1.1 1", StringComparison.Ordinal))
        {
            return head;
        }

        if (head.Contains("transfer-encoding: chunked", StringComparison.OrdinalIgnoreCase))
        {
            while (true)
            {
                var line = new StringBuilder();
                await UntilAsync(stream, line, "\r\n");
                text.Append(line);
                var size = int.Parse(line.ToString().Split(';')[0].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                if (size == 0)
                {
                    var trailer = new StringBuilder();
                    do
                    {
                        trailer.Clear();
                        await UntilAsync(stream, trailer, "\r\n");
                        text.Append(trailer);
                    }
                    while (trailer.Length > 2);
                    return text.ToString();
                }

                await TakeAsync(stream, text, size + 2);
            }
        }

        var length = head.Split("\r\n").FirstOrDefault(line => line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase));
        if (length is not null)
        {
            await TakeAsync(stream, text, int.Parse(length[15..].Trim(), CultureInfo.InvariantCulture));
        }
        else if (hasBody == true)
        {
            await UntilAsync(stream, text, "\0\0never");
        }

        return text.ToString();
    }

    private static async Task TakeAsync(Stream stream, StringBuilder text, int count)
    {
        var buffer = new byte[count];
        await stream.ReadExactlyAsync(buffer);
        text.Append(Encoding.Latin1.GetString(buffer));
    }

    private static async Task<bool> UntilAsync(Stream stream, StringBuilder text, string end)
    {
        var buffer = new byte[1];
        while (!text.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            try
            {
                if (await stream.ReadAsync(buffer) == 0)
                {
                    return false;
                }
            }
            catch (IOException)
            {
                return false;
            }

            text.Append((char)buffer[0]);
        }

        return true;
    }
}
