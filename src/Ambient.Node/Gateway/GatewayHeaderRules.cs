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
    public override void Apply(RequestHead head, in RequestArrival arrival)
    {
        var fields = head.Fields;
        var peer = arrival.SourceText ?? arrival.Source.Address.ToString();
        if (arrival.ClientCertificate is { } certificate)
        {
            fields.Set(ForwardedClientCert, certificate);
        }

        // What proxies in front of us say counts where they are trusted: who the client is, and which scheme it used.
        var client = arrival.Source.Address;
        var trusted = arrival.Place?.Policies.ForwardedHops ?? 0;
        var earlier = fields.Get(ForwardedFor);
        if (trusted > 0 && Policy.Authorization.ForwardedFor.Find(earlier, trusted) is { } told)
        {
            client = told;
        }

        fields.Set(ForwardedFor, earlier is not null ? $"{earlier},{peer}" : peer);
        if (trusted == 0 || fields.Get(ForwardedProto) is not ("http" or "https"))
        {
            fields.Set("x-forwarded-proto"u8, SchemeOf(arrival));
        }

        if (IsInternal(client))
        {
            SetForwardedPort(head, arrival);
            KeepRequestId(head, arrival);
            return;
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

            fields.Add(ExternalAddress, ReferenceEquals(client, arrival.Source.Address) ? peer : client.ToString());
        }

        // What somebody outside says is no id of the mesh's.
        SetForwardedPort(head, arrival);
        if (arrival.Place?.Headers.RequestId != false)
        {
            SetRequestId(head);
        }
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
