using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Attack;

/// <summary>
/// A server of HTTP/1.1 behind a waypoint or gateway. Paths with <c>interim</c> are answered with interim responses without end, with <c>big</c> by a
/// body without end, with <c>up</c> by a change of protocol, and all others in a kilobyte.
/// </summary>
internal sealed class EngineEndpoint : IDisposable
{
    private static readonly byte[] s_answer = [.. "HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\n"u8, .. new byte[1024]];
    private static readonly byte[] s_interim = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n", 1000)));
    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _listener;

    public EngineEndpoint(string address)
    {
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Parse(address), 8080));
        _listener.Listen(4096);
        _ = AcceptAsync();
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptAsync(_stop.Token));
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                socket.NoDelay = true;
                socket.SendBufferSize = 64 * 1024;
                await AnswerAsync(socket);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
            }
        }
    }

    private async Task AnswerAsync(Socket socket)
    {
        var buffer = new byte[128 * 1024];
        var held = 0;
        while (await socket.ReceiveAsync(buffer.AsMemory(held), _stop.Token) is > 0 and var count)
        {
            held += count;
            while (buffer.AsSpan(0, held).IndexOf("\r\n\r\n"u8) is >= 0 and var end)
            {
                var head = Encoding.Latin1.GetString(buffer, 0, end);
                var target = head.Split(' ', 3)[1];
                var rest = end + 4;
                if (head.Contains("transfer-encoding: chunked", StringComparison.OrdinalIgnoreCase))
                {
                    // Up to the end of the trailers: the last chunk is the only line "0".
                    while (buffer.AsSpan(rest, held - rest).IndexOf("0\r\n"u8) < 0 || buffer.AsSpan(rest, held - rest).IndexOf("\r\n\r\n"u8) < 0)
                    {
                        count = held == buffer.Length ? 0 : await socket.ReceiveAsync(buffer.AsMemory(held), _stop.Token);
                        if (count == 0)
                        {
                            return;
                        }

                        held += count;
                    }

                    rest = held;
                }

                while (target.Contains("interim", StringComparison.Ordinal))
                {
                    await socket.SendAsync(s_interim, _stop.Token);
                }

                if (target.Contains("big", StringComparison.Ordinal))
                {
                    await socket.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n"u8.ToArray(), _stop.Token);
                    while (true)
                    {
                        await socket.SendAsync(buffer.AsMemory(0, 64 * 1024), _stop.Token);
                    }
                }

                if (target.Contains("up", StringComparison.Ordinal))
                {
                    await socket.SendAsync("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n"u8.ToArray(), _stop.Token);
                    while (await socket.ReceiveAsync(buffer, _stop.Token) is > 0 and var echoed)
                    {
                        await socket.SendAsync(buffer.AsMemory(0, echoed), _stop.Token);
                    }

                    return;
                }

                await socket.SendAsync(s_answer, _stop.Token);
                buffer.AsSpan(rest, held - rest).CopyTo(buffer);
                held -= rest;
            }
        }
    }
}
