using System.Buffers;
using Ambient.Hbone.Connect;

namespace Ambient.Hbone.Tests;

/// <summary>Handlers that tests share.</summary>
internal static class Echo
{
    /// <summary>Accepts, and sends back what comes, to the end.</summary>
    public static async ValueTask HandleAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        await using var tunnel = connect.Accept();
        while (true)
        {
            var read = await tunnel.Input.ReadAsync(cancellationToken);
            foreach (var segment in read.Buffer)
            {
                tunnel.Output.Write(segment.Span);
            }

            tunnel.Input.AdvanceTo(read.Buffer.End);
            await tunnel.Output.FlushAsync(cancellationToken);
            if (read.IsCompleted)
            {
                await tunnel.Output.CompleteAsync();
                return;
            }
        }
    }

    /// <summary>Reads a tunnel to its end.</summary>
    public static async Task<byte[]> ReadAllAsync(HboneTunnel tunnel)
    {
        var all = new ArrayBufferWriter<byte>();
        while (true)
        {
            var read = await tunnel.Input.ReadAsync().AsTask().WaitAsync(HbonePair.Patience);
            foreach (var segment in read.Buffer)
            {
                all.Write(segment.Span);
            }

            tunnel.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return all.WrittenSpan.ToArray();
            }
        }
    }
}
