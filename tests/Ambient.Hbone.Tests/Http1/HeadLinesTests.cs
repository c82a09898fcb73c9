using Ambient.Hbone.Http1;

namespace Ambient.Hbone.Tests.Http1;

public sealed class HeadLinesTests
{
    [Fact]
    public void A_line_ends_where_it_ends_however_long_it_is_and_in_whatever_pieces_it_comes()
    {
        for (var length = 0; length <= 70; length++)
        {
            for (var behind = 0; behind <= 40; behind++)
            {
                var bytes = new byte[length + 2 + behind];
                Array.Fill(bytes, (byte)'v');
                (bytes[length], bytes[length + 1]) = ((byte)'\r', (byte)'\n');
                for (var first = 0; first <= length + 1; first += 7)
                {
                    var lines = new HeadLines(1000, "the head");
                    var consumed = 0;
                    Assert.False(lines.TryTake(bytes.AsSpan(0, first), ref consumed, out _));
                    Assert.True(lines.TryTake(bytes, ref consumed, out var line));
                    Assert.Equal((length, length + 2), (line.Length, consumed));
                    Assert.False(lines.TryTake(bytes, ref consumed, out _));
                }
            }
        }
    }
}
