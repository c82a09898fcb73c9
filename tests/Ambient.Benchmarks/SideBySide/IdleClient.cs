using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>Opens connections, makes one request on each, and holds them until its standard input ends.</summary>
internal static class IdleClient
{
    internal const string Verb = "idle-client";

    /// <summary>The child process.</summary>
    internal static async Task<int> HoldAsync(string host, int port, int count)
    {
        var request = Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");
        var sockets = new List<Socket>();
        var buffer = new byte[16384];
        for (var i = 0; i < count; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(host, port);
            await socket.SendAsync(request);
            if (await socket.ReceiveAsync(buffer) == 0)
            {
                await Console.Error.WriteLineAsync($"connection {i} was closed instead of answered");
                return 1;
            }

            sockets.Add(socket);
        }

        Console.WriteLine(HeldChild.Holding);
        await Console.In.ReadToEndAsync();
        sockets.ForEach(s => s.Dispose());
        return 0;
    }

    /// <summary>Runs <paramref name="measure"/> while the connections are held.</summary>
    internal static Task<T> WhileHoldingAsync<T>(string ns, string host, int port, int count, Func<Task<T>> measure, CancellationToken cancellationToken) =>
        HeldChild.WhileAsync(ns, [Verb, host, Text(port), Text(count)], measure, cancellationToken);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
