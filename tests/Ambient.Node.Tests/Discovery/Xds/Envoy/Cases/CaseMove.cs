using System.Net;
using System.Text;
using Ambient.Node.Protos.Discovery;
using Google.Protobuf;
using WireWorkload = Ambient.Node.Protos.Workloads.Workload;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Addresses that no other test listens on. Pods move from 127.11 to 127.41, in what istiod sent as in the manifests; and the proxies that manifests tell of the
/// mesh move from 127.9 to 127.8, so that they run beside those that istiod tells. Keys of issuers are replaced by one that tests can sign with.
/// </summary>
internal static class CaseMove
{
    private const byte Pods = 11;
    private const byte MovedPods = 41;

    // Both sides of each are of one length, so that nothing else in a message moves.
    private static readonly (byte[] From, byte[] To)[] s_texts =
    [
        (Encoding.ASCII.GetBytes($"127.{Pods}."), Encoding.ASCII.GetBytes($"127.{MovedPods}.")),
        (Encoding.ASCII.GetBytes(CaseTokens.RecordedKey), Encoding.ASCII.GetBytes(CaseTokens.Key)),
    ];

    /// <summary>Manifests with other addresses.</summary>
    public static string Manifests(string text) => text
        .Replace($"127.{Pods}.", $"127.{MovedPods}.", StringComparison.Ordinal).Replace("127.9.", "127.8.", StringComparison.Ordinal)
        .Replace(CaseTokens.RecordedKey, CaseTokens.Key, StringComparison.Ordinal);

    /// <summary>What a host that manifests told says, as the other would say it.</summary>
    public static string AsRecorded(string text) => text.Replace("127.8.", "127.9.", StringComparison.Ordinal);

    /// <summary>istiod's response with other addresses.</summary>
    public static DeltaDiscoveryResponse Response(DeltaDiscoveryResponse response)
    {
        var bytes = response.ToByteArray();
        foreach (var (from, to) in s_texts)
        {
            for (var at = bytes.AsSpan().IndexOf(from); at >= 0; at = bytes.AsSpan().IndexOf(from))
            {
                to.CopyTo(bytes.AsSpan(at));
            }
        }

        var moved = DeltaDiscoveryResponse.Parser.ParseFrom(bytes);
        foreach (var resource in moved.Resources.Where(resource => resource.Resource_.TypeUrl == "type.googleapis.com/istio.workload.Workload"))
        {
            var workload = WireWorkload.Parser.ParseFrom(resource.Resource_.Value);
            for (var i = 0; i < workload.Addresses.Count; i++)
            {
                if (workload.Addresses[i].Span is [127, Pods, var high, var low])
                {
                    workload.Addresses[i] = ByteString.CopyFrom(127, MovedPods, high, low);
                }
            }

            resource.Resource_.Value = workload.ToByteString();
        }

        return moved;
    }

    /// <summary>Whether an endpoint of this address can be run here.</summary>
    public static bool IsServed(IPAddress address) => address.ToString() is var text
        && (text.StartsWith($"127.{MovedPods}.", StringComparison.Ordinal) || text.StartsWith("127.21.", StringComparison.Ordinal));
}
