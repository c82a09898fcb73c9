using System.Text;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

/// <summary>Makes header blocks from text.</summary>
internal static class HPackBlocks
{
    public static byte[] Encode(HPackEncoder encoder, params (string Name, string Value, HeaderIndexing Indexing)[] headers)
    {
        var buffer = new byte[HPackEncoder.MaxBlockOverhead + headers.Sum(h => h.Name.Length + h.Value.Length + HPackEncoder.MaxHeaderOverhead)];
        var written = encoder.BeginBlock(buffer);
        foreach (var (name, value, indexing) in headers)
        {
            written += encoder.WriteHeader(buffer.AsSpan(written), Encoding.Latin1.GetBytes(name), Encoding.Latin1.GetBytes(value), indexing);
        }

        return buffer[..written];
    }

    /// <summary>Literals without indexing and without Huffman: what a peer without a table sends.</summary>
    public static byte[] Plain(params (string Name, string Value)[] headers)
    {
        var block = new List<byte>();
        foreach (var (name, value) in headers)
        {
            block.Add(0);
            Add(block, name);
            Add(block, value);
        }

        return [.. block];
    }

    private static void Add(List<byte> block, string text)
    {
        var bytes = Encoding.Latin1.GetBytes(text);
        if (bytes.Length < 127)
        {
            block.Add((byte)bytes.Length);
        }
        else
        {
            block.Add(127);
            var rest = bytes.Length - 127;
            for (; rest >= 128; rest >>= 7)
            {
                block.Add((byte)(rest | 0x80));
            }

            block.Add((byte)rest);
        }

        block.AddRange(bytes);
    }
}
