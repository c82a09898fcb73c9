using System.Buffers.Binary;
using Ambient.Node.ControlPlane;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;

namespace Ambient.Node.Tests.ControlPlane;

/// <summary>A stream of long messages reads as one of their pieces, whatever the sizes of fields and of what the network brings at a time.</summary>
[Trait("Category", "Fuzz")]
public sealed class MessagePiecesTests
{
    private const int HeaderSize = 5;

    [Fact]
    public void Messages_AreCutBetweenFields_AndNothingIsLost() => FuzzBudget.Run(60, random =>
    {
        var messages = Enumerable.Range(0, random.Next(4)).Select(_ => (IsCompressed: random.Next(5) == 0, Fields: Fields(random))).ToArray();
        var wire = messages.SelectMany(message => Frame(message.IsCompressed, [.. message.Fields.SelectMany(static field => field)])).ToArray();

        var pieces = Read(wire, random);

        var at = 0;
        foreach (var (isCompressed, fields) in messages)
        {
            var ends = fields.Aggregate(new List<int> { 0 }, static (ends, field) => [.. ends, ends[^1] + field.Length]);
            var whole = new List<byte>();
            for (; !pieces[at].Bytes.AsSpan().SequenceEqual(MessagePieces.End); at++)
            {
                Assert.Equal(isCompressed, pieces[at].IsCompressed);
                whole.AddRange(pieces[at].Bytes);
                Assert.Contains(whole.Count, ends);
                Assert.True(isCompressed || pieces[at].Bytes.Length <= MessagePieces.PieceSize || fields.Any(field => field.Length == pieces[at].Bytes.Length));
            }

            Assert.False(pieces[at++].IsCompressed);
            Assert.Equal(fields.SelectMany(static field => field), whole);
        }

        Assert.Equal(pieces.Count, at);
    });

    [Fact]
    public void WhatIsNoMessage_ComesAsItIs() => FuzzBudget.Run(60, random =>
    {
        var bytes = new byte[random.Next(200_000)];
        random.NextBytes(bytes);

        Assert.Equal(bytes, Read(Frame(false, bytes), random).Where(static piece => !piece.Bytes.AsSpan().SequenceEqual(MessagePieces.End)).SelectMany(static piece => piece.Bytes));
    });

    [Fact]
    public void MessageThatBreaksOff_IsNotEnded() => FuzzBudget.Run(60, random =>
    {
        var wire = Frame(false, [.. Fields(random).SelectMany(static field => field), 8, 1]);

        Assert.DoesNotContain(Read(wire[..random.Next(wire.Length)], random), static piece => piece.Bytes.AsSpan().SequenceEqual(MessagePieces.End));
    });

    [Fact]
    public async Task MessageThatIsTooLong_IsLeftToWhoeverRefusesIt()
    {
        var header = new byte[HeaderSize];
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(1), uint.MaxValue);
        await using var pieces = new MessagePieces(new MemoryStream(header), new LongField());

        var read = new byte[HeaderSize];
        await pieces.ReadExactlyAsync(read);

        Assert.Equal(header, read);
    }

    [Fact]
    public async Task Lengths_AreTold_BeforeTheMessages()
    {
        var told = new List<int>();
        byte[] wire = [.. Frame(false, [8, 1]), .. Frame(true, [1, 2, 3]), .. Frame(false, []), .. Frame(false, [8, 1, 8, 2])];
        await using var pieces = new MessagePieces(new MemoryStream(wire), new LongField(told.Add));

        await pieces.ReadExactlyAsync(new byte[HeaderSize]);
        Assert.Equal([2], told);
        await pieces.CopyToAsync(Stream.Null);

        Assert.Equal([2, 0, 4], told);
    }

    private static List<byte[]> Fields(Random random) => [.. Enumerable.Range(0, random.Next(12)).Select(_ => Field(random))];

    private static byte[] Field(Random random)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            var number = random.Next(1, 3000);
            switch (random.Next(6))
            {
                case 0:
                    output.WriteTag(number, WireFormat.WireType.Varint);
                    output.WriteUInt64((ulong)random.NextInt64());
                    break;
                case 1:
                    output.WriteTag(number, WireFormat.WireType.Fixed64);
                    output.WriteFixed64((ulong)random.NextInt64());
                    break;
                case 2:
                    output.WriteTag(number, WireFormat.WireType.Fixed32);
                    output.WriteFixed32((uint)random.Next());
                    break;
                default:
                    var content = new byte[random.Next(5) switch { 0 => random.Next(300_000), 1 => MessagePieces.PieceSize + random.Next(-12, 12), _ => random.Next(9000) }];
                    random.NextBytes(content);
                    output.WriteTag(number, WireFormat.WireType.LengthDelimited);
                    output.WriteBytes(ByteString.CopyFrom(content));
                    break;
            }
        }

        return stream.ToArray();
    }

    private static byte[] Frame(bool isCompressed, byte[] message)
    {
        var frame = new byte[HeaderSize + message.Length];
        frame[0] = isCompressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)message.Length);
        message.CopyTo(frame.AsSpan(HeaderSize));
        return frame;
    }

    /// <summary>Pieces that are whole, as gRPC reads them, with the long fields in their places.</summary>
    private static List<(bool IsCompressed, byte[] Bytes)> Read(byte[] wire, Random random)
    {
        var field = new LongField();
        using var pieces = new MessagePieces(new Drops(wire, random), field);
        var found = new List<(bool, byte[])>();
        while (ReadExactly(HeaderSize) is { } header && ReadExactly(BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(1))) is { } piece)
        {
            found.Add((header[0] == 1, header[0] == 0 && piece.AsSpan().SequenceEqual(MessagePieces.Long) ? field.Bytes.ToArray() : piece));
            if (header[0] == 0 && piece.AsSpan().SequenceEqual(MessagePieces.End))
            {
                // As its owner does, between messages.
                field.Release();
            }
        }

        return found;

        byte[]? ReadExactly(int length)
        {
            var bytes = new byte[length];
            for (var held = 0; held < length;)
            {
                var count = pieces.ReadAsync(bytes.AsMemory(held, random.Next(1, length - held + 1))).AsTask().GetAwaiter().GetResult();
                if (count == 0)
                {
                    return null;
                }

                held += count;
            }

            return bytes;
        }
    }

    /// <summary>A stream that gives a few bytes at a time.</summary>
    private sealed class Drops(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, random.Next(8) == 0 ? random.Next(1, 20) : random.Next(1, 30_000))], cancellationToken);
    }
}
