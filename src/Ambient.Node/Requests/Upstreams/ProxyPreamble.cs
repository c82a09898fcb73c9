using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Whom a connection is made for, as it is said at its beginning by the PROXY protocol: no other client may use it.</summary>
/// <param name="Version">Form of the header.</param>
/// <param name="Source">The client; null: nobody in particular, the proxy speaks for itself.</param>
/// <param name="Destination">What the client addressed; null: it is not known.</param>
internal sealed record ProxyPreamble(ProxyProtocolVersion Version, IPEndPoint? Source, IPEndPoint? Destination)
{
    /// <summary>The header.</summary>
    public byte[] ToArray() => Version == ProxyProtocolVersion.V2
        ? new ProxyHeader { Source = Source, Destination = Destination }.ToArray()
        : Encoding.ASCII.GetBytes(Line());

    private string Line()
    {
        var (source, destination) = (Source is null ? null : PlainAddress.Of(Source), Destination is null ? null : PlainAddress.Of(Destination));
        return source is null || destination is null || source.AddressFamily != destination.AddressFamily
            ? "PROXY UNKNOWN\r\n"
            : FormattableString.Invariant(
                $"PROXY {(source.AddressFamily == AddressFamily.InterNetwork ? "TCP4" : "TCP6")} {source.Address} {destination.Address} {source.Port} {destination.Port}\r\n");
    }
}
