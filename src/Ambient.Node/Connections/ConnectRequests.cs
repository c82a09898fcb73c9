using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Connections;

/// <summary>What our CONNECT requests say (docs/protocol.md, "CONNECT").</summary>
internal static class ConnectRequests
{
    // The baggage of a workload changes only with the workload; thousands of connections a second need not write it again.
    private static readonly ConditionalWeakTable<Workload, string> s_baggage = [];

    /// <summary>The request that opens a tunnel for a captured connection.</summary>
    public static HboneConnectRequest For(CapturedConnection captured, Workload source, ConnectionRoute route) => For(captured.Source, source, route);

    /// <summary>The request that opens a tunnel for a client, which may be this process itself.</summary>
    public static HboneConnectRequest For(IPEndPoint client, Workload source, ConnectionRoute route) => new()
    {
        NextHop = route.NextHop!,
        Authority = route.Authority!,
        Source = source.Identity,
        AcceptedIdentities = route.AcceptedIdentities,
        AcceptedTrustDomains = route.AcceptedTrustDomains,
        SourceAddress = client.Address,
        Baggage = BaggageOf(source),
        Forwarded = ConnectHeaders.Forwarded(client, route.Service),
        TraceParent = TraceParent(),
    };

    /// <summary>The request that opens the inner tunnel from a network, once there is the outer one that <paramref name="outer"/> asked for.</summary>
    public static HboneConnectRequest Within(HboneConnectRequest outer, string network, ConnectionRoute route) => outer with
    {
        AcceptedIdentities = route.InnerAcceptedIdentities,
        AcceptedTrustDomains = route.InnerAcceptedTrustDomains,
        ForwardedNetwork = network,
        RequestSource = null,
    };

    /// <summary>The baggage value of a workload, made once.</summary>
    public static string BaggageOf(Workload workload) => s_baggage.GetValue(workload, ConnectHeaders.Baggage);

    /// <summary>A new W3C trace context, not sampled.</summary>
    public static string TraceParent()
    {
        Span<byte> random = stackalloc byte[24];

        // Identifiers, not secrets; but two connections must never share one.
        RandomNumberGenerator.Fill(random);
        return string.Create(55, (Convert.ToHexStringLower(random[..16]), Convert.ToHexStringLower(random[16..])), static (text, ids) =>
        {
            "00-".CopyTo(text);
            ids.Item1.CopyTo(text[3..]);
            text[35] = '-';
            ids.Item2.CopyTo(text[36..]);
            "-00".CopyTo(text[52..]);
        });
    }
}
