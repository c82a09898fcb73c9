using System.Net;
using System.Runtime.InteropServices;

namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>The hash that consistent balancers place requests and endpoints by: FNV-1a, finished so that every bit counts. The same in every process.</summary>
internal static class RequestHash
{
    private const ulong Basis = 14695981039346656037;
    private const ulong Prime = 1099511628211;

    /// <summary>Of bytes.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes, ulong seed = 0)
    {
        var hash = Basis ^ seed;
        foreach (var one in bytes)
        {
            hash = (hash ^ one) * Prime;
        }

        return Mix(hash);
    }

    /// <summary>Of a text.</summary>
    public static ulong Of(ReadOnlySpan<char> text, ulong seed = 0) => Of(MemoryMarshal.AsBytes(text), seed);

    /// <summary>Of an address.</summary>
    public static ulong Of(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        return address.TryWriteBytes(bytes, out var written) ? Of(bytes[..written]) : 0;
    }

    /// <summary>Spreads a number over all of its bits.</summary>
    public static ulong Mix(ulong hash)
    {
        hash ^= hash >> 33;
        hash *= 0xff51afd7ed558ccd;
        hash ^= hash >> 33;
        hash *= 0xc4ceb9fe1a85ec53;
        return hash ^ (hash >> 33);
    }
}
