using System.Net;
using System.Net.Sockets;
using Ambient.Http;
using Ambient.Node.Requests;

namespace Ambient.Node.Gateway;

/// <summary>
/// Headers at an ingress gateway: the client is outside, so the gateway says itself who the peer is and which scheme was
/// used, and drops what only proxies may state.
/// </summary>
internal sealed class GatewayHeaderRules : HeaderRules
{
    private const string ExternalAddress = "x-envoy-external-address";

    /// <summary>The one instance.</summary>
    public static GatewayHeaderRules Instance { get; } = new();

    /// <inheritdoc/>
    public override string Apply(RequestHead head, in RequestArrival arrival)
    {
        var fields = head.Fields;
        var peer = arrival.SourceText ?? arrival.Source.Address.ToString();
        fields.Remove(ForwardedClientCert);
        if (arrival.ClientCertificate is { } certificate)
        {
            fields.Set(ForwardedClientCert, certificate);
        }

        fields.Set(ForwardedFor, fields.Get(ForwardedFor) is { } earlier ? $"{earlier},{peer}" : peer);
        fields.Set(ForwardedProto, arrival.Scheme);
        if (IsInternal(arrival.Source.Address))
        {
            if (fields.Get(RequestId) is { Length: > 0 } told)
            {
                return told;
            }
        }
        else
        {
            for (var i = fields.Count - 1; i >= 0; i--)
            {
                if (fields[i].Name.StartsWith("x-envoy-"u8))
                {
                    fields.RemoveAt(i);
                }
            }

            fields.Add(ExternalAddress, peer);
        }

        var id = NewRequestId();
        fields.Set(RequestId, id);
        return id;
    }

    // Private and loopback addresses: a request from there did not come from the internet.
    private static bool IsInternal(IPAddress address)
    {
        if (IPAddress.IsLoopback(address))
        {
            return true;
        }

        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            return address.IsIPv6UniqueLocal;
        }

        Span<byte> bytes = stackalloc byte[4];
        return address.TryWriteBytes(bytes, out _)
            && (bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xF0) == 16) || (bytes[0] == 192 && bytes[1] == 168));
    }
}
