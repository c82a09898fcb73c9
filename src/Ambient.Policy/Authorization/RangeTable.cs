using System.Net;
using System.Net.Sockets;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Authorization;

/// <summary>Rules by the range that an address must be in. One look for each length of a prefix that occurs.</summary>
internal sealed class RangeTable
{
    internal static readonly RangeTable Empty = new(SharedTable<Range, CompiledPolicyRule[]>.Create(EqualityComparer<Range>.Default), [], []);

    private readonly SharedTable<Range, CompiledPolicyRule[]> _rules;

    // How many ranges there are of each length.
    private readonly (int Length, int Count)[] _lengths;
    private readonly (int Length, int Count)[] _lengthsIPv6;

    private RangeTable(SharedTable<Range, CompiledPolicyRule[]> rules, (int Length, int Count)[] lengths, (int Length, int Count)[] lengthsIPv6) =>
        (_rules, _lengths, _lengthsIPv6) = (rules, lengths, lengthsIPv6);

    /// <summary>Whether no rule is found by it.</summary>
    internal bool IsEmpty => _rules.Count == 0;

    /// <summary>Shows a search the rules that an address may match.</summary>
    internal void Visit(IPAddress address, ref RuleSearch search)
    {
        var isIPv6 = IsIPv6(address);
        var bits = Bits(address);
        foreach (var (length, _) in isIPv6 ? _lengthsIPv6 : _lengths)
        {
            var kept = length == 0 ? UInt128.Zero : bits >> ((isIPv6 ? 128 : 32) - length) << ((isIPv6 ? 128 : 32) - length);
            if (_rules.Find(new Range(isIPv6, length, kept)) is { } rules)
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

    /// <summary>A range as addresses are looked for.</summary>
    internal readonly record struct Range(bool IsIPv6, int Length, UInt128 Bits)
    {
        internal static Range Of(IPNetwork network) => new(RangeTable.IsIPv6(network.BaseAddress), network.PrefixLength, RangeTable.Bits(network.BaseAddress));
    }

    /// <summary>Makes the next table.</summary>
    internal sealed class Editor(RangeTable start)
    {
        private readonly OrderedLists<Range, CompiledPolicyRule> _lists = new(start._rules.Find, EqualityComparer<Range>.Default, Comparer<CompiledPolicyRule>.Default);

        /// <summary>Whether no rule was found by it before.</summary>
        internal bool StartsEmpty => start.IsEmpty;

        internal int Count(IPNetwork network) => _lists.Count(Range.Of(network));

        internal void Add(IPNetwork network, CompiledPolicyRule rule) => _lists.Add(Range.Of(network), rule);

        internal void Remove(IPNetwork network, CompiledPolicyRule rule) => _lists.Remove(Range.Of(network), rule);

        internal RangeTable ToTable()
        {
            var changes = _lists.Changes;
            if (changes.Length == 0)
            {
                return start;
            }

            var (lengths, lengthsIPv6) = (start._lengths.ToDictionary(), start._lengthsIPv6.ToDictionary());
            foreach (var (range, rules) in changes)
            {
                var more = (rules is null ? 0 : 1) - (start._rules.Find(range) is null ? 0 : 1);
                var counts = range.IsIPv6 ? lengthsIPv6 : lengths;
                counts[range.Length] = counts.GetValueOrDefault(range.Length) + more;
            }

            return new RangeTable(start._rules.With(changes), Present(lengths), Present(lengthsIPv6));
        }

        private static (int Length, int Count)[] Present(Dictionary<int, int> counts) =>
            [.. counts.Where(entry => entry.Value > 0).OrderBy(entry => entry.Key).Select(entry => (entry.Key, entry.Value))];
    }
}
