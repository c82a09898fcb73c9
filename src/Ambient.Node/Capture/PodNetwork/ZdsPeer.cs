using System.Net.Sockets;
using Ambient.Node.Lifetime;
using Ambient.Node.Protos.Zds;
using Ambient.Node.Sockets;
using Google.Protobuf;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>A ztunnel that is connected: asked one thing at a time, and each answer awaited (docs/protocol.md, "The network plugin").</summary>
internal sealed class ZdsPeer(Socket socket, TimeProvider time) : IDisposable
{
    private const int PacketSize = 1024;

    private readonly byte[] _received = new byte[PacketSize];

    /// <summary>How long an answer may take.</summary>
    public static TimeSpan AnswerTime { get; } = TimeSpan.FromSeconds(5);

    /// <summary>Reads the first packet, which must say the version that we speak.</summary>
    /// <exception cref="IOException">It went away, or said something else.</exception>
    public async Task HelloAsync(CancellationToken cancellationToken)
    {
        var hello = await ReceiveAsync(ZdsHello.Parser, cancellationToken).ConfigureAwait(false);
        if (hello.Version != Protos.Zds.Version.V1)
        {
            throw new IOException($"a ztunnel speaks version {hello.Version} of the protocol, not {Protos.Zds.Version.V1}");
        }
    }

    /// <summary>Sends a message and waits for the answer. Returns the ztunnel's complaint; empty when it has none.</summary>
    /// <exception cref="IOException">It went away, or did not answer in time.</exception>
    public async Task<string> AskAsync(WorkloadRequest request, PodNamespace? network, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var packet = request.ToByteArray();
        if (packet.Length > PacketSize)
        {
            throw new IOException($"a message of {packet.Length} bytes is longer than a packet may be ({PacketSize})");
        }

        try
        {
            if (network is null)
            {
                await socket.SendAsync(packet, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                DescriptorPassing.Send(socket, packet, network.Handle);
            }

            var response = await ReceiveAsync(WorkloadResponse.Parser, cancellationToken).ConfigureAwait(false);
            return response.Ack?.Error ?? throw new IOException("a ztunnel answered with something that is no acknowledgement");
        }
        catch (SocketException e)
        {
            throw new IOException($"a ztunnel went away: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private async Task<T> ReceiveAsync<T>(MessageParser<T> parser, CancellationToken cancellationToken)
        where T : IMessage<T>
    {
        using var limit = new TimeLimit(AnswerTime, time, cancellationToken);
        int length;
        try
        {
            length = await socket.ReceiveAsync(_received, SocketFlags.None, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new IOException($"a ztunnel did not answer within {AnswerTime.TotalSeconds:F0} s");
        }
        catch (SocketException e)
        {
            throw new IOException($"a ztunnel went away: {e.Message}", e);
        }

        if (length == 0)
        {
            throw new IOException("a ztunnel closed the connection");
        }

        try
        {
            return parser.ParseFrom(_received, 0, length);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new IOException($"a ztunnel sent what cannot be read: {e.Message}", e);
        }
    }
}
