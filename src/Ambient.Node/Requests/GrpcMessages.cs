using System.Buffers.Binary;

namespace Ambient.Node.Requests;

/// <summary>
/// Counts the messages of a gRPC body as its bytes pass: five bytes of head (a flag and a length), then the message
/// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). A message counts once its head is complete. Keeps no bytes of it.
/// </summary>
internal struct GrpcMessages
{
    private const int HeadLength = 5;

    private uint _length;
    private int _head;
    private long _rest;

    /// <summary>Messages so far.</summary>
    public long Count { get; private set; }

    /// <summary>Takes the next bytes of the body.</summary>
    public void Pass(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            if (_rest > 0)
            {
                var skipped = (int)Math.Min(_rest, piece.Length);
                _rest -= skipped;
                piece = piece[skipped..];
            }
            else if (_head == 0 && piece.Length >= HeadLength)
            {
                _rest = BinaryPrimitives.ReadUInt32BigEndian(piece[1..]);
                Count++;
                piece = piece[HeadLength..];
            }
            else
            {
                // A head in pieces: its length, byte by byte, behind the flag.
                _length = _head == 0 ? 0 : (_length << 8) | piece[0];
                piece = piece[1..];
                if (++_head == HeadLength)
                {
                    (_head, _rest) = (0, _length);
                    Count++;
                }
            }
        }
    }
}
