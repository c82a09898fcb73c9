using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;

namespace Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

/// <summary>
/// The cluster's own name server, for pods that are outside the mesh: it knows the services and nothing else, over UDP. What ztunnel's
/// DNS proxy does not know it asks here, too.
/// </summary>
internal sealed class ClusterDns : IAsyncDisposable
{
    private const int HeaderLength = 12;
    private const ushort TypeA = 1;
    private const ushort NameError = 3;
    private const ushort FormatError = 1;

    private readonly IMeshSnapshotProvider _mesh;
    private readonly Socket[] _sockets;
    private readonly Task _answering;

    /// <summary>Answers on sockets that are bound already, one in each node; owns them from here.</summary>
    public ClusterDns(IMeshSnapshotProvider mesh, params Socket[] sockets)
    {
        _mesh = mesh;
        _sockets = sockets;
        _answering = Task.WhenAll(sockets.Select(AnswerAsync));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var socket in _sockets)
        {
            socket.Dispose();
        }

        await _answering;
    }

    /// <summary>The answer to a question; null when it is none that can be answered.</summary>
    public static byte[]? Answer(MeshSnapshot mesh, ReadOnlySpan<byte> question)
    {
        if (question.Length < HeaderLength || (question[2] & 0x80) != 0)
        {
            return null;
        }

        if (BinaryPrimitives.ReadUInt16BigEndian(question[4..]) != 1 || ReadName(question, out var name) is not { } end || question.Length < end + 4)
        {
            return Respond(question[..HeaderLength], FormatError, []);
        }

        var asked = question[..(end + 4)];
        var service = mesh.Services.Values.FirstOrDefault(service => string.Equals(service.Hostname, name, StringComparison.OrdinalIgnoreCase));
        if (service is null)
        {
            return Respond(asked, NameError, []);
        }

        var type = BinaryPrimitives.ReadUInt16BigEndian(question[end..]);
        return Respond(asked, 0, type != TypeA ? [] : [.. service.Vips.Select(vip => vip.Address).Where(address => address.AddressFamily == AddressFamily.InterNetwork)]);
    }

    private async Task AnswerAsync(Socket socket)
    {
        var packet = new byte[1500];
        try
        {
            while (true)
            {
                var received = await socket.ReceiveFromAsync(packet, new IPEndPoint(IPAddress.Any, 0));
                if (Answer(_mesh.Current, packet.AsSpan(0, received.ReceivedBytes)) is { } answer)
                {
                    await socket.SendToAsync(answer, received.RemoteEndPoint);
                }
            }
        }
        catch (Exception ended) when (ended is ObjectDisposedException or SocketException or OperationCanceledException)
        {
            // Disposed.
        }
    }

    // The end of the name, and the name; null when it is none.
    private static int? ReadName(ReadOnlySpan<byte> question, out string name)
    {
        var text = new StringBuilder();
        name = "";
        var at = HeaderLength;
        while (at < question.Length)
        {
            var length = question[at++];
            if (length == 0)
            {
                name = text.ToString();
                return at;
            }

            if (length > 63 || at + length > question.Length)
            {
                return null;
            }

            text.Append(text.Length > 0 ? "." : "").Append(Encoding.ASCII.GetString(question.Slice(at, length)));
            at += length;
        }

        return null;
    }

    private static byte[] Respond(ReadOnlySpan<byte> asked, ushort code, IPAddress[] addresses)
    {
        const int recordLength = 16;
        var answer = new byte[asked.Length + (addresses.Length * recordLength)];
        asked.CopyTo(answer);

        // A response, by one who knows, to the one question that was asked.
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(2), (ushort)(0x8480 | ((asked[2] & 1) << 8) | code));
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(4), (ushort)(asked.Length > HeaderLength ? 1 : 0));
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(6), (ushort)addresses.Length);
        answer.AsSpan(8, 4).Clear();
        var record = answer.AsSpan(asked.Length);
        foreach (var address in addresses)
        {
            BinaryPrimitives.WriteUInt16BigEndian(record, 0xc000 | HeaderLength);
            BinaryPrimitives.WriteUInt16BigEndian(record[2..], TypeA);
            BinaryPrimitives.WriteUInt16BigEndian(record[4..], 1);
            BinaryPrimitives.WriteUInt32BigEndian(record[6..], 5);
            BinaryPrimitives.WriteUInt16BigEndian(record[10..], 4);
            address.TryWriteBytes(record[12..], out _);
            record = record[recordLength..];
        }

        return answer;
    }
}
