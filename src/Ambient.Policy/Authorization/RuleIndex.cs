using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The rules of many policies, arranged so that a decision asks only those that could match: a rule is found by the values, one of which a
/// request must have for it (a principal, a path's beginning, a host), and of several such sets by the one that finds the fewest
/// others. What asks for nothing of the kind is asked always. The outcome is that of asking every rule in its order. Immutable: what
/// changes of the policies makes another index, which shares with this one what it does not concern.
/// </summary>
internal sealed class RuleIndex
{
    /// <summary>Stands between the names of a claim's path, where no name has it.</summary>
    internal const string ClaimSeparator = "][";

    /// <summary>Most names of headers, and of claims, that rules are found by: each costs a look at the request's fields, or at its token's claims.</summary>
    internal const int MaxNames = 8;

    // By which set a rule is found is decided when it comes in, over what is there at the time; once as much has changed as this, it is decided for all anew.
    private const int MinChanges = 256;

    internal static readonly RuleIndex OfNoRequests = new(ofRequests: true);
    internal static readonly RuleIndex OfNoConnections = new(ofRequests: false);

    // What there is to look at for each request: null where no rule is found by it.
    private readonly TextTable?[] _texts = [];
    private readonly RangeTable? _sources;
    private readonly RangeTable? _remotes;
    private readonly RangeTable? _destinations;

    private RuleIndex(bool ofRequests)
    {
        OfRequests = ofRequests;
        Texts = [.. Enumerable.Range(0, RuleIndexEditor.TextAttributes).Select(attribute => new TextTable(ignoreCase: (RuleAttribute)attribute == RuleAttribute.Host))];
        Ranges = [RangeTable.Empty, RangeTable.Empty, RangeTable.Empty];
    }

    /// <summary>Makes an index of what an editor has come to.</summary>
    internal RuleIndex(RuleIndexEditor editor)
    {
        OfRequests = editor.Start.OfRequests;
        Others = editor.Others;
        Texts = editor.Texts;
        Headers = editor.Headers;
        Claims = editor.Claims;
        Ports = editor.Ports;
        Ranges = editor.Ranges;
        (Count, Changes) = (editor.Count, editor.Changes);
        _texts = [.. Texts.Select(table => table.IsEmpty ? null : table)];
        (_sources, _remotes, _destinations) = (OrNull(Ranges[0]), OrNull(Ranges[1]), OrNull(Ranges[2]));

        static RangeTable? OrNull(RangeTable table) => table.IsEmpty ? null : table;
    }

    /// <summary>Rules that are asked about every request.</summary>
    internal int AlwaysAsked => Others.Length;

    /// <summary>Whether it is asked about requests; else about connections that are none of HTTP, which have fewer attributes.</summary>
    internal bool OfRequests { get; }

    internal ImmutableArray<CompiledPolicyRule> Others { get; } = [];

    /// <summary>Tables of the attributes that are one text, each at its number.</summary>
    internal ImmutableArray<TextTable> Texts { get; }

    internal ImmutableArray<(string Name, TextTable Table)> Headers { get; } = [];

    internal ImmutableArray<(string Name, string[] Path, TextTable Table)> Claims { get; } = [];

    internal SharedTable<int, CompiledPolicyRule[]> Ports { get; } = SharedTable<int, CompiledPolicyRule[]>.Create(EqualityComparer<int>.Default);

    /// <summary>Tables of source, remote and destination.</summary>
    internal ImmutableArray<RangeTable> Ranges { get; }

    /// <summary>How many rules there are.</summary>
    internal int Count { get; }

    /// <summary>How many rules have come and gone since it was decided for all by what they are found.</summary>
    internal int Changes { get; }

    /// <summary>An index of policies.</summary>
    /// <param name="policies">Policies in the order of evaluation.</param>
    /// <param name="ofRequests">Whether it is asked about requests.</param>
    internal static RuleIndex Of(ImmutableArray<CompiledPolicy> policies, bool ofRequests)
    {
        var editor = new RuleIndexEditor(ofRequests ? OfNoRequests : OfNoConnections);
        editor.Survey(policies);
        editor.Add(policies);
        return editor.ToIndex(changes: 0);
    }

    /// <summary>The index of other policies, made of this one.</summary>
    /// <param name="policies">All of them, in the order of evaluation.</param>
    /// <param name="removed">Those that this one has and the other must not have.</param>
    /// <param name="added">Those that this one has not.</param>
    internal RuleIndex With(ImmutableArray<CompiledPolicy> policies, ImmutableArray<CompiledPolicy> removed, ImmutableArray<CompiledPolicy> added)
    {
        var changes = Changes + removed.Sum(policy => policy.Rules.Length) + added.Sum(policy => policy.Rules.Length);
        if (changes > Math.Max(MinChanges, Count))
        {
            return Of(policies, OfRequests);
        }

        var editor = new RuleIndexEditor(this);
        editor.Remove(removed);
        editor.Add(added);
        return editor.ToIndex(changes);
    }

    /// <summary>The first rule whose verdict is at least <paramref name="enough"/>; null when there is none.</summary>
    internal CompiledPolicyRule? Find(in RequestContext request, Verdict enough)
    {
        var search = new RuleSearch(request, enough, null);
        Visit(request, ref search);
        return search.First;
    }

    /// <summary>Every rule whose verdict is at least <paramref name="enough"/>, in order; may name one twice.</summary>
    internal List<CompiledPolicyRule> FindAll(in RequestContext request, Verdict enough)
    {
        var found = new List<CompiledPolicyRule>();
        var search = new RuleSearch(request, enough, found);
        Visit(request, ref search);

        // Not by the list's own method: it would bring what sorts to the lists of all types, which share their code.
        CollectionsMarshal.AsSpan(found).Sort();
        return found;
    }

    /// <summary>Shows what is found by a segment of a path, each with its slash.</summary>
    private static void VisitSegments(TextTable table, ReadOnlySpan<char> path, ref RuleSearch search)
    {
        while (path.Length > 0)
        {
            var end = path[1..].IndexOf('/') + 1;
            table.Visit(end == 0 ? path : path[..end], ref search);
            path = end == 0 ? default : path[end..];
        }
    }

    private void Visit(in RequestContext request, ref RuleSearch search)
    {
        search.Try(Others.AsSpan());
        var texts = _texts;
        if (request.Identity is { } identity)
        {
            texts[(int)RuleAttribute.Principal]?.Visit(identity.Principal, ref search);
            texts[(int)RuleAttribute.Namespace]?.Visit(identity.Namespace, ref search);
            if (UnusualIdentityMatcher.IsUnusual(identity) && texts[(int)RuleAttribute.Namespace] is { } segments)
            {
                VisitSegments(segments, identity.Path, ref search);
            }

            texts[(int)RuleAttribute.TrustDomain]?.Visit(identity.TrustDomain.Name, ref search);
            if (identity.ServiceAccount is not null)
            {
                texts[(int)RuleAttribute.ServiceAccount]?.Visit(identity.Path, ref search);
            }
        }

        if (request.IsHttp)
        {
            texts[(int)RuleAttribute.Host]?.Visit(request.Host, ref search);
            texts[(int)RuleAttribute.Method]?.Visit(request.Method, ref search);
            texts[(int)RuleAttribute.Path]?.Visit(request.Path, ref search);
            foreach (var (name, table) in Headers.AsSpan())
            {
                table.Visit(request.Header(name), ref search);
            }

            if (request.Claims is { } claims)
            {
                texts[(int)RuleAttribute.Issuer]?.Visit(claims.Issuer, ref search);
                texts[(int)RuleAttribute.Subject]?.Visit(claims.Subject, ref search);
                foreach (var (_, path, table) in Claims.AsSpan())
                {
                    foreach (var text in claims.Find(path).AsSpan())
                    {
                        table.Visit(text, ref search);
                    }
                }
            }

            _remotes?.Visit(request.Remote, ref search);
        }

        if (Ports.Count > 0 && Ports.Find(request.Port) is { } rules)
        {
            search.Try(rules);
        }

        _sources?.Visit(request.Source, ref search);
        _destinations?.Visit(request.Destination, ref search);
    }
}
