using Ambient.Node.Protos.Zds;
using Ambient.Node.Sockets;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace Ambient.Node.Capture.InPod;

/// <summary>What the network plugin says.</summary>
internal abstract record ZdsMessage
{
    /// <summary>A pod is there, and this is its network.</summary>
    internal sealed record Add(string Uid, PodInfo Info, PodNamespace Network) : ZdsMessage;

    /// <summary>A pod is there, whose network the plugin does not have; what runs stays.</summary>
    internal sealed record Keep(string Uid) : ZdsMessage;

    /// <summary>A pod is gone.</summary>
    internal sealed record Del(string Uid) : ZdsMessage;

    /// <summary>All pods were told.</summary>
    internal sealed record Snapshot : ZdsMessage;

    /// <summary>Reads a packet. The descriptors belong to the message, or are closed.</summary>
    /// <exception cref="InvalidDataException">The packet is no message; the plugin should say it again.</exception>
    /// <exception cref="ZdsProtocolException">The message breaks the protocol.</exception>
    public static ZdsMessage Read(ReadOnlySpan<byte> packet, SafeFileHandle[] descriptors)
    {
        try
        {
            var request = Parse(packet);
            if (request.PayloadCase != WorkloadRequest.PayloadOneofCase.Add)
            {
                return descriptors.Length > 0 ? throw new InvalidDataException($"a descriptor with a message of kind {request.PayloadCase}") : Read(request);
            }

            var network = descriptors switch
            {
                [] => throw new InvalidDataException("No control message: a pod without the descriptor of its network"),
                [var one] => PodNamespace.Of(one),
                _ => throw new InvalidDataException($"{descriptors.Length} descriptors with one pod"),
            };
            descriptors = [];
            if (request.Add.WorkloadInfo is not { } info)
            {
                network.Dispose();
                throw new ZdsProtocolException($"pod {request.Add.Uid} without workload_info");
            }

            return new Add(request.Add.Uid, new PodInfo(info.Namespace, info.Name, info.ServiceAccount), network);
        }
        finally
        {
            ZdsSocket.Close(descriptors);
        }
    }

    private static ZdsMessage Read(WorkloadRequest request) => request.PayloadCase switch
    {
        WorkloadRequest.PayloadOneofCase.Keep => new Keep(request.Keep.Uid),
        WorkloadRequest.PayloadOneofCase.Del => new Del(request.Del.Uid),
        WorkloadRequest.PayloadOneofCase.SnapshotSent => new Snapshot(),
        _ => throw new InvalidDataException("a message of no known kind"),
    };

    private static WorkloadRequest Parse(ReadOnlySpan<byte> packet)
    {
        try
        {
            return WorkloadRequest.Parser.ParseFrom(packet);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InvalidDataException(e.Message, e);
        }
    }
}

/// <summary>Who a pod is, as the network plugin knows it.</summary>
/// <param name="Namespace">Kubernetes namespace.</param>
/// <param name="Name">Name.</param>
/// <param name="ServiceAccount">Service account.</param>
internal sealed record PodInfo(string Namespace, string Name, string ServiceAccount)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Namespace}/{Name}";
}

/// <summary>The network plugin broke the protocol: nothing that it says can be relied upon, and the process starts anew.</summary>
internal sealed class ZdsProtocolException(string message) : Exception(message);
