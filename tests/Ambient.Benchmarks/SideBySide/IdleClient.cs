using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>Opens connections, makes requests on each, and holds them until its standard input ends.</summary>
internal static class IdleClient
{
    internal const string Verb = "idle-client";
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(3);

    /// <summary>The child process.</summary>
    /// <param name="host">Where to.</param>
    /// <param name="port">Its port.</param>
    /// <param name="count">How many connections.</param>
    /// <param name="requests">Rounds of requests: the first as the connections are opened, each other after a rest.</param>
    internal static async Task<int> HoldAsync(string host, int port, int count, int requests)
    {
        var request = Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");
        var sockets = new List<Socket>();
        var buffer = new byte[16384];
        for (var i = 0; i < count; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(host, port);
            if (!await AskAsync(socket, i))
            {
                return 1;
            }

            sockets.Add(socket);
        }

        for (var round = 1; round < requests; round++)
        {
            await Task.Delay(s_rest);
            for (var i = 0; i < count; i++)
            {
                if (!await AskAsync(sockets[i], i))
                {
                    return 1;
                }
            }
        }

        Console.WriteLine(HeldChild.Holding);
        await Console.In.ReadToEndAsync();
        sockets.ForEach(s => s.Dispose());
        return 0;

        async Task<bool> AskAsync(Socket socket, int number)
        {
            await socket.SendAsync(request);
            if (await socket.ReceiveAsync(buffer) > 0)
            {
                return true;
            }

            await Console.Error.WriteLineAsync($"connection {number} was closed instead of answered");
            return false;
        }
    }

    /// <summary>Runs <paramref name="measure"/> while the connections are held.</summary>
    internal static Task<T> WhileHoldingAsync<T>(string ns, string host, int port, int count, Func<Task<T>> measure, CancellationToken cancellationToken, int requests = 1) =>
        HeldChild.WhileAsync(ns, [Verb, host, Text(port), Text(count), Text(requests)], measure, cancellationToken);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
