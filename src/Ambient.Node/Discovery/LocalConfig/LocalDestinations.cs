using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.LocalConfig;

/// <summary>The string forms of the local format: <c>network/ip</c> and <c>namespace/hostname</c>.</summary>
internal static class LocalDestinations
{
    /// <summary>Reads <c>network/ip</c>; the network may be empty.</summary>
    public static bool TryParseAddress(string text, out NetworkAddress address)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0 && IPText.TryParseAddress(text.AsSpan(slash + 1), out var ip))
        {
            address = new NetworkAddress(text[..slash], ip);
            return true;
        }

        address = default;
        return false;
    }

    /// <summary>A field with a gateway address, or null.</summary>
    public static GatewayAddress? ReadGateway(FieldReader fields, string field) =>
        fields.Object(field) is { } gateway ? ReadGateway(gateway) : null;

    /// <summary>A gateway address: <c>destination</c> and <c>hboneMtlsPort</c>.</summary>
    public static GatewayAddress? ReadGateway(FieldReader gateway)
    {
        gateway.RejectUnknown("destination", "hboneMtlsPort");
        var port = gateway.RequiredInteger("hboneMtlsPort", 0, 65535);
        var text = gateway.RequiredString("destination");
        if (TryParseAddress(text, out var address))
        {
            return GatewayAddress.ByAddress(address, port);
        }

        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0 && slash < text.Length - 1)
        {
            return GatewayAddress.ByHostname(text[..slash], text[(slash + 1)..], port);
        }

        if (text.Length > 0)
        {
            gateway.Error("destination", $"\"{text}\": expected network/ip or namespace/hostname");
        }

        return null;
    }
}
