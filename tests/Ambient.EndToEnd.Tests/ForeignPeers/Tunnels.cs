using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>What tests do with tunnels.</summary>
internal static class Tunnels
{
    /// <summary>The bytes that the scripts send, too.</summary>
    public static byte[] Pattern(int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i % 65536 * 31 % 251);
        }

        return bytes;
    }

    public static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>Accepts, and sends back what comes, to the end.</summary>
    public static async ValueTask EchoAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        await using var tunnel = connect.Accept("k=v");
        await tunnel.Input.CopyToAsync(tunnel.Output, cancellationToken);
        await tunnel.Output.CompleteAsync();
    }

    public static async Task<byte[]> ReadToEndAsync(this HboneTunnel tunnel)
    {
        var all = new MemoryStream();
        await tunnel.Input.CopyToAsync(all).WaitAsync(HboneHost.Patience);
        return all.ToArray();
    }

    public static async Task<string> ReadTextAsync(this HboneTunnel tunnel) => Encoding.UTF8.GetString(await tunnel.ReadToEndAsync());

    public static async Task WriteAsync(this HboneTunnel tunnel, byte[] bytes) => await tunnel.Output.WriteAsync(bytes).AsTask().WaitAsync(HboneHost.Patience);
}
