using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>Ranges of addresses, of which most are of one: those are found at once.</summary>
internal sealed class AddressRanges
{
    private readonly FrozenSet<IPAddress> _single;
    private readonly ImmutableArray<IPNetwork> _others;

    private AddressRanges(FrozenSet<IPAddress> single, ImmutableArray<IPNetwork> others) => (_single, _others) = (single, others);

    /// <summary>Makes it.</summary>
    public static AddressRanges Of(ImmutableArray<IPNetwork> ranges) =>
        new(ranges.Where(IsSingle).Select(static range => range.BaseAddress).ToFrozenSet(), [.. ranges.Where(static range => !IsSingle(range))]);

    /// <summary>Whether a range is one address.</summary>
    public static bool IsSingle(IPNetwork range) => range.PrefixLength == range.BaseAddress.GetAddressBytes().Length * 8;

    /// <summary>Whether an address is in one of them.</summary>
    public bool Contain(IPAddress address) => _single.Contains(address) || _others.Any(range => range.Contains(address));
}
