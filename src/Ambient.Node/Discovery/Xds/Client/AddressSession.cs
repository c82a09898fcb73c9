using System.Threading.Channels;
using Ambient.Mesh;
using Ambient.Node.Protos.Discovery;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>istiod's workload API: workloads, services and layer 4 policies.</summary>
/// <param name="store">Filled with them.</param>
/// <param name="demand">Asks for addresses as it wants them; null: all of them are asked for.</param>
internal sealed class AddressSession(MeshStore store, AddressDemand? demand) : IXdsSession
{
    private readonly XdsState _state = new(store);

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Awaited => demand is null ? [XdsTypes.Address, XdsTypes.Authorization] : [XdsTypes.Authorization];

    /// <inheritdoc/>
    public bool Takes(string type) => type is XdsTypes.Address or XdsTypes.Authorization;

    /// <inheritdoc/>
    public string Subscribe(Protos.Discovery.Node node, ChannelWriter<DeltaDiscoveryRequest> outbox)
    {
        var addresses = First(XdsTypes.Address, node);
        var policies = First(XdsTypes.Authorization, node);
        var asked = (addresses.InitialResourceVersions.Count, policies.InitialResourceVersions.Count) is var (a, p) && a + p > 0 ? $"what changed since {a} addresses and {p} policies"
            : demand is null ? "everything"
            : "policies, and for addresses as connections need them";
        if (demand is null)
        {
            outbox.TryWrite(addresses);
        }
        else
        {
            demand.Open(outbox, addresses);
        }

        outbox.TryWrite(policies);
        return asked;
    }

    /// <inheritdoc/>
    public XdsAnswer Apply(XdsResponse response)
    {
        var answer = _state.Apply(response);
        if (response.TypeUrl == XdsTypes.Address)
        {
            demand?.Answer(response);
        }

        return new XdsAnswer(answer, answer.ErrorDetail is null, []);
    }

    /// <inheritdoc/>
    public void Close() => demand?.Close();

    /// <summary>The first request of a type: nothing named is everything. What is held already is quoted, so that it is not sent again.</summary>
    private DeltaDiscoveryRequest First(string type, Protos.Discovery.Node node)
    {
        var request = new DeltaDiscoveryRequest { TypeUrl = type, Node = node };
        foreach (var (name, version) in _state.Versions(type))
        {
            request.InitialResourceVersions[name] = version;
        }

        return request;
    }
}
