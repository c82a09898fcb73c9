using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Node.Connections;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// Connects from an address of our own workload, also where the machine has others: the receiver knows us by it. In a pod,
/// which has one address only, nothing changes.
/// </summary>
internal sealed class OwnAddressConnector(ISocketConnector inner, LocalWorkload self) : ISocketConnector
{
    /// <inheritdoc/>
    public ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
        inner.ConnectAsync(destination, source ?? OwnAddress(destination.AddressFamily), cancellationToken);

    private IPAddress? OwnAddress(AddressFamily family)
    {
        foreach (var address in self.Current?.Addresses ?? [])
        {
            if (address.AddressFamily == family)
            {
                return address;
            }
        }

        return null;
    }
}
