using System.Net.Sockets;
using System.Text;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>A question and its answer on a connection.</summary>
internal static class Exchange
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Sends a text and reads so many bytes, or fewer when the other side ends before.</summary>
    public static async Task<string> RunAsync(Socket socket, string text, int expected)
    {
        if (text.Length > 0)
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(text));
        }

        var answer = new byte[expected];
        var length = 0;
        while (length < expected && await socket.ReceiveAsync(answer.AsMemory(length)).AsTask().WaitAsync(Patience) is > 0 and var more)
        {
            length += more;
        }

        return Encoding.ASCII.GetString(answer, 0, length);
    }

    /// <summary>Whether a call is refused, or ends without a word.</summary>
    public static async Task<bool> IsRefusedAsync(Task<Socket> connecting, string text)
    {
        try
        {
            using var socket = await connecting;
            return await IsRefusedAsync(socket, text);
        }
        catch (SocketException)
        {
            return true;
        }
    }

    /// <summary>How a connection answers a text that nobody should hear: with its end, one way or the other.</summary>
    public static async Task<bool> IsRefusedAsync(Socket socket, string text)
    {
        try
        {
            return await RunAsync(socket, text, 1) == "";
        }
        catch (SocketException)
        {
            return true;
        }
    }
}
