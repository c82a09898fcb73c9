using System.Text;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

/// <summary>Collects decoded headers as text.</summary>
internal readonly struct HeaderList() : IHeaderSink
{
    public List<(string Name, string Value)> Headers { get; } = [];

    public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value) =>
        Headers.Add((Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(value)));

    public static List<(string Name, string Value)> Decode(HPackDecoder decoder, ReadOnlySpan<byte> block)
    {
        var list = new HeaderList();
        decoder.Decode(block, ref list);
        return list.Headers;
    }
}
