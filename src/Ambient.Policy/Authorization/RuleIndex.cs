using System.Collections.Immutable;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The rules of many policies, arranged so that a decision asks only those that could match: a rule is found by the values, one of which a
/// request must have for it (a principal, a path's beginning, a host), and of several such sets by the one that it shares with the fewest
/// others. What asks for nothing of the kind is asked always. The outcome is that of asking every rule in its order.
/// </summary>
internal sealed class RuleIndex
{
    /// <summary>Stands between the names of a claim's path, where no name has it.</summary>
    internal const string ClaimSeparator = "][";

    // Every name costs a look at the request's fields, or at its token's claims.
    private const int MaxNames = 8;

    private readonly Rule[] _rules;
    private readonly int[] _others;
    private readonly TextTable? _principals;
    private readonly TextTable? _namespaces;
    private readonly TextTable? _accounts;
    private readonly TextTable? _trustDomains;
    private readonly TextTable? _hosts;
    private readonly TextTable? _methods;
    private readonly TextTable? _paths;
    private readonly (string Name, TextTable Table)[] _headers;
    private readonly TextTable? _issuers;
    private readonly TextTable? _subjects;
    private readonly (string[] Path, TextTable Table)[] _claims;
    private readonly Dictionary<int, int[]>? _ports;
    private readonly RangeTable? _sources;
    private readonly RangeTable? _remotes;
    private readonly RangeTable? _destinations;

    /// <summary>Arranges the rules of <paramref name="policies"/>.</summary>
    /// <param name="policies">Policies in the order of evaluation.</param>
    /// <param name="ofRequests">Whether it is asked about requests; else about connections that are none of HTTP, which have fewer attributes.</param>
    internal RuleIndex(ImmutableArray<CompiledPolicy> policies, bool ofRequests)
    {
        _rules = [.. policies.SelectMany((policy, place) => policy.Rules.Select((matcher, rule) => new Rule(matcher, place, rule)))];

        // How many rules each value would find; then each rule takes the set that finds the fewest.
        var uses = new Dictionary<RuleKey, int>();
        foreach (var rule in _rules)
        {
            Count(rule.Matcher, uses);
        }

        HashSet<string> NamesOf(RuleAttribute attribute, StringComparer comparer) => uses.Where(use => use.Key.Attribute == attribute)
            .GroupBy(use => use.Key.Name, use => use.Value, comparer)
            .OrderByDescending(name => name.Sum()).ThenBy(name => name.Key, StringComparer.Ordinal)
            .Take(MaxNames).Select(name => name.Key).ToHashSet(comparer);

        var names = new Names(NamesOf(RuleAttribute.Header, StringComparer.OrdinalIgnoreCase), NamesOf(RuleAttribute.Claim, StringComparer.Ordinal));
        var chosen = new Dictionary<RuleKey, List<int>>();
        var others = new List<int>();
        var keys = new HashSet<RuleKey>();
        for (var i = 0; i < _rules.Length; i++)
        {
            keys.Clear();
            if (Choose(_rules[i].Matcher, uses, names, ofRequests) is not { } choice)
            {
                others.Add(i);
                continue;
            }

            choice.AddTo(keys);
            foreach (var key in keys)
            {
                if (!chosen.TryGetValue(key, out var rules))
                {
                    chosen[key] = rules = [];
                }

                rules.Add(i);
            }
        }

        _others = [.. others];
        var byAttribute = chosen.ToLookup(entry => entry.Key.Attribute);
        _principals = Texts(RuleAttribute.Principal);
        _namespaces = Texts(RuleAttribute.Namespace);
        _accounts = Texts(RuleAttribute.ServiceAccount);
        _trustDomains = Texts(RuleAttribute.TrustDomain);
        _hosts = Texts(RuleAttribute.Host);
        _methods = Texts(RuleAttribute.Method);
        _paths = Texts(RuleAttribute.Path);
        _headers = [.. byAttribute[RuleAttribute.Header]
            .GroupBy(entry => entry.Key.Name, StringComparer.OrdinalIgnoreCase)
            .Select(name => (name.Key, new TextTable(name, ignoreCase: false)))];
        _issuers = Texts(RuleAttribute.Issuer);
        _subjects = Texts(RuleAttribute.Subject);
        _claims = [.. byAttribute[RuleAttribute.Claim]
            .GroupBy(entry => entry.Key.Name, StringComparer.Ordinal)
            .Select(name => (name.Key.Split(ClaimSeparator), new TextTable(name, ignoreCase: false)))];
        _ports = byAttribute.Contains(RuleAttribute.Port)
            ? byAttribute[RuleAttribute.Port].ToDictionary(entry => entry.Key.Port, entry => entry.Value.ToArray())
            : null;
        _sources = Ranges(RuleAttribute.Source);
        _remotes = Ranges(RuleAttribute.Remote);
        _destinations = Ranges(RuleAttribute.Destination);

        TextTable? Texts(RuleAttribute attribute) =>
            byAttribute.Contains(attribute) ? new TextTable(byAttribute[attribute], ignoreCase: attribute == RuleAttribute.Host) : null;

        RangeTable? Ranges(RuleAttribute attribute) => byAttribute.Contains(attribute) ? new RangeTable(byAttribute[attribute]) : null;
    }

    /// <summary>Rules that are asked about every request.</summary>
    internal int AlwaysAsked => _others.Length;

    /// <summary>The first rule whose verdict is at least <paramref name="enough"/>; null when there is none.</summary>
    internal Rule? Find(in RequestContext request, Verdict enough)
    {
        var search = new RuleSearch(request, _rules, enough, null);
        Visit(request, ref search);
        return search.First < int.MaxValue ? _rules[search.First] : null;
    }

    /// <summary>Every rule whose verdict is at least <paramref name="enough"/>, in order; may name one twice.</summary>
    internal IEnumerable<Rule> FindAll(in RequestContext request, Verdict enough)
    {
        var found = new List<int>();
        var search = new RuleSearch(request, _rules, enough, found);
        Visit(request, ref search);
        found.Sort();
        return found.Select(rule => _rules[rule]);
    }

    private void Visit(in RequestContext request, ref RuleSearch search)
    {
        search.Try(_others);
        if (request.Identity is { } identity)
        {
            _principals?.Visit(identity.Principal, ref search);
            _namespaces?.Visit(identity.Namespace, ref search);
            _trustDomains?.Visit(identity.TrustDomain.Name, ref search);
            if (_accounts is not null && identity.ServiceAccount is not null)
            {
                _accounts.Visit(identity.Path, ref search);
            }
        }

        if (request.IsHttp)
        {
            _hosts?.Visit(request.Host, ref search);
            _methods?.Visit(request.Method, ref search);
            _paths?.Visit(request.Path, ref search);
            foreach (var (name, table) in _headers)
            {
                table.Visit(request.Header(name), ref search);
            }

            if (request.Claims is { } claims)
            {
                _issuers?.Visit(claims.Issuer, ref search);
                _subjects?.Visit(claims.Subject, ref search);
                foreach (var (path, table) in _claims)
                {
                    foreach (var text in claims.Find(path).AsSpan())
                    {
                        table.Visit(text, ref search);
                    }
                }
            }

            _remotes?.Visit(request.Remote, ref search);
        }

        if (_ports is not null && _ports.TryGetValue(request.Port, out var rules))
        {
            search.Try(rules);
        }

        _sources?.Visit(request.Source, ref search);
        _destinations?.Visit(request.Destination, ref search);
    }

    private static void Count(IRequestMatcher matcher, Dictionary<RuleKey, int> uses)
    {
        switch (matcher)
        {
            case AllOf all:
                foreach (var part in all.Parts)
                {
                    Count(part, uses);
                }

                break;
            case AnyOf any:
                foreach (var part in any.Parts)
                {
                    Count(part, uses);
                }

                break;
            default:
                if (matcher.Key is { } key)
                {
                    uses[key] = uses.GetValueOrDefault(key) + 1;
                }

                break;
        }
    }

    /// <summary>Values, one of which a request must have for the matcher to match; null when there are none such.</summary>
    private static Choice? Choose(IRequestMatcher matcher, Dictionary<RuleKey, int> uses, Names names, bool ofRequests)
    {
        switch (matcher)
        {
            case AllOf all:
                Choice? best = null;
                foreach (var part in all.Parts)
                {
                    if (Choose(part, uses, names, ofRequests) is { } choice && (best is null || choice.Cost < best.Cost))
                    {
                        best = choice;
                    }
                }

                return best;
            case AnyOf any:
                var together = new Choice(null, [], 0);
                foreach (var part in any.Parts)
                {
                    if (Choose(part, uses, names, ofRequests) is not { } choice)
                    {
                        return null;
                    }

                    together.Parts.Add(choice);
                    together.Cost += choice.Cost;
                }

                return together;
            default:
                return matcher.Key is { } key
                    && (ofRequests || key.IsOfConnections)
                    && (key.Attribute != RuleAttribute.Header || names.Headers.Contains(key.Name))
                    && (key.Attribute != RuleAttribute.Claim || names.Claims.Contains(key.Name))
                        ? new Choice(key, [], uses[key])
                        : null;
        }
    }

    /// <summary>A rule of a policy.</summary>
    /// <param name="Matcher">The rule.</param>
    /// <param name="Policy">Place of its policy.</param>
    /// <param name="Number">Its number within the policy.</param>
    internal readonly record struct Rule(IRequestMatcher Matcher, int Policy, int Number);

    /// <summary>Names of headers and claims that requests are asked for.</summary>
    private readonly record struct Names(HashSet<string> Headers, HashSet<string> Claims);

    private sealed record Choice(RuleKey? Key, List<Choice> Parts, int Cost)
    {
        public int Cost { get; set; } = Cost;

        public void AddTo(HashSet<RuleKey> keys)
        {
            if (Key is { } key)
            {
                keys.Add(key);
            }

            foreach (var part in Parts)
            {
                part.AddTo(keys);
            }
        }
    }
}
