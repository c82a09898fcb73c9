using System.Net;
using System.Net.Sockets;

namespace Ambient.Policy.Authorization;

/// <summary>Rules by the range that an address must be in. One look for each length of a prefix that occurs.</summary>
internal sealed class RangeTable
{
    private readonly Dictionary<(bool IsIPv6, int Length, UInt128 Bits), int[]> _rules = [];
    private readonly int[] _lengths;
    private readonly int[] _lengthsIPv6;

    /// <summary>Creates a table of keys, each with its rules in ascending order.</summary>
    internal RangeTable(IEnumerable<KeyValuePair<RuleKey, List<int>>> rules)
    {
        foreach (var (key, own) in rules)
        {
            var range = key.Range;
            _rules[(IsIPv6(range.BaseAddress), range.PrefixLength, Bits(range.BaseAddress))] = [.. own];
        }

        _lengths = Lengths(isIPv6: false);
        _lengthsIPv6 = Lengths(isIPv6: true);
    }

    /// <summary>Shows a search the rules that an address may match.</summary>
    internal void Visit(IPAddress address, ref RuleSearch search)
    {
        var isIPv6 = IsIPv6(address);
        var bits = Bits(address);
        foreach (var length in isIPv6 ? _lengthsIPv6 : _lengths)
        {
            var kept = length == 0 ? UInt128.Zero : bits >> ((isIPv6 ? 128 : 32) - length) << ((isIPv6 ? 128 : 32) - length);
            if (_rules.TryGetValue((isIPv6, length, kept), out var rules))
            {
                search.Try(rules);
            }
        }
    }

    private static bool IsIPv6(IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6;

    private static UInt128 Bits(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        var bits = UInt128.Zero;
        foreach (var part in bytes[..length])
        {
            bits = (bits << 8) | part;
        }

        return bits;
    }

    private int[] Lengths(bool isIPv6) => [.. _rules.Keys.Where(key => key.IsIPv6 == isIPv6).Select(key => key.Length).Distinct()];
}
