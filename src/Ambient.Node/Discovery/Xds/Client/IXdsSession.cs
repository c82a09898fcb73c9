using System.Threading.Channels;
using Ambient.Node.Protos.Discovery;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>What a kind of proxy asks a control plane for, and what it does with the answers. Lives as long as its source, stream after stream; used by one thread at a time.</summary>
internal interface IXdsSession
{
    /// <summary>Types of which one response each has to be taken before the mesh is whole.</summary>
    IReadOnlyCollection<string> Awaited { get; }

    /// <summary>Whether resources of a type are asked for.</summary>
    bool Takes(string type);

    /// <summary>Asks for everything that a new stream begins with; returns what was asked for, in words.</summary>
    /// <param name="node">Who we are.</param>
    /// <param name="outbox">Where requests go.</param>
    string Subscribe(Protos.Discovery.Node node, ChannelWriter<DeltaDiscoveryRequest> outbox);

    /// <summary>Takes a response.</summary>
    XdsAnswer Apply(XdsResponse response);

    /// <summary>The stream is over.</summary>
    void Close();
}

/// <summary>What a response is answered with.</summary>
/// <param name="Answer">The acknowledgement; with an error where something in the response was refused, or is not understood.</param>
/// <param name="IsAccepted">Whether what came is in use, though parts of it may be blocked.</param>
/// <param name="Further">Requests that follow: other names to watch.</param>
internal readonly record struct XdsAnswer(DeltaDiscoveryRequest Answer, bool IsAccepted, IReadOnlyList<DeltaDiscoveryRequest> Further);
