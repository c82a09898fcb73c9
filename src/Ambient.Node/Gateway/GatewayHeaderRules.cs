using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Ambient.Node.Requests;
using Microsoft.AspNetCore.Http;

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
    public override bool Drops(string name, in RequestArrival arrival)
    {
        if (!name.StartsWith("x-", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        return Is(name, ForwardedClientCert) || Is(name, ForwardedFor) || Is(name, ForwardedProto)
            || (name.StartsWith("x-envoy-", StringComparison.OrdinalIgnoreCase) && !IsInternal(arrival.Source.Address))
            || (Is(name, RequestId) && !IsInternal(arrival.Source.Address));
    }

    /// <inheritdoc/>
    public override string Apply(HttpRequest request, in RequestArrival arrival, HttpRequestHeaders outgoing)
    {
        var peer = arrival.Source.Address.ToString();
        var earlier = request.Headers[ForwardedFor];
        outgoing.TryAddWithoutValidation(ForwardedFor, earlier.Count == 0 ? peer : $"{earlier},{peer}");
        outgoing.TryAddWithoutValidation(ForwardedProto, request.IsHttps ? "https" : "http");
        var isInternal = IsInternal(arrival.Source.Address);
        if (!isInternal)
        {
            outgoing.TryAddWithoutValidation(ExternalAddress, peer);
        }

        var id = isInternal ? request.Headers[RequestId].ToString() : "";
        if (id.Length == 0)
        {
            id = NewRequestId();
            outgoing.TryAddWithoutValidation(RequestId, id);
        }

        return id;
    }

    private static bool Is(string name, string header) =>
        name.Length == header.Length && name.Equals(header, StringComparison.OrdinalIgnoreCase);

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
