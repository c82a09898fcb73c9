using System.Net;
using System.Net.Sockets;
using Ambient.Node.Connections;

namespace Ambient.Node.Capture.Dns;

/// <summary>Says where a host is, to a workload that names it.</summary>
internal interface IHostResolver
{
    /// <summary>An address; null: nobody knows the name.</summary>
    ValueTask<IPAddress?> ResolveAsync(string name, AddressFamily family, LocalWorkload local, CancellationToken cancellationToken);
}
