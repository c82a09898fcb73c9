using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>Asks for the large file and reads its first bytes only, until its standard input ends.</summary>
internal static class SlowReader
{
    internal const string Verb = "slow-reader";

    /// <summary>The child process.</summary>
    internal static async Task<int> HoldAsync(string host, int port)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(host, port);
        await socket.SendAsync(Encoding.ASCII.GetBytes("GET /big HTTP/1.1\r\nHost: bench\r\n\r\n"));
        var answer = new byte[12];
        var got = await socket.ReceiveAsync(answer);
        if (Encoding.ASCII.GetString(answer, 0, got) != "HTTP/1.1 200")
        {
            await Console.Error.WriteLineAsync($"the large file was not answered: {Encoding.ASCII.GetString(answer, 0, got)}");
            return 1;
        }

        Console.WriteLine(HeldChild.Holding);
        await Console.In.ReadToEndAsync();
        return 0;
    }

    /// <summary>Runs <paramref name="measure"/> while one client does not read.</summary>
    internal static Task<T> WhileNotReadingAsync<T>(string ns, string host, int port, Func<Task<T>> measure, CancellationToken cancellationToken) =>
        HeldChild.WhileAsync(ns, [Verb, host, port.ToString(CultureInfo.InvariantCulture)], measure, cancellationToken);
}
