using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Which of several matching rules wins: exact path, then the longest prefix, then a regular expression, and of a GRPCRoute, where services and methods
/// are paths, last what names neither; with a method;
/// most headers; most query parameters; the oldest route; then by name, rule and match.
/// </summary>
internal sealed class RulePrecedence : IComparer<CompiledRule>
{
    internal static readonly RulePrecedence Instance = new();

    /// <inheritdoc/>
    public int Compare(CompiledRule? x, CompiledRule? y)
    {
        if (x is null || y is null)
        {
            return x is null ? (y is null ? 0 : 1) : -1;
        }

        // VirtualServices in the order in which they are written, each as a whole, the oldest first, and behind what is sorted: an order that mixed the two
        // would be none.
        var (xIsWritten, yIsWritten) = (x.Route.Kind == HttpRoute.VirtualService, y.Route.Kind == HttpRoute.VirtualService);
        if (xIsWritten || yIsWritten)
        {
            return xIsWritten != yIsWritten ? xIsWritten.CompareTo(yIsWritten) : CompareWritten(x, y);
        }

        var order = KindRank(x).CompareTo(KindRank(y));
        order = order != 0 ? order : y.Match.Path.Length.CompareTo(x.Match.Path.Length);
        order = order != 0 ? order : y.Match.HasMethod.CompareTo(x.Match.HasMethod);
        order = order != 0 ? order : y.Match.HeaderCount.CompareTo(x.Match.HeaderCount);
        order = order != 0 ? order : y.Match.QueryCount.CompareTo(x.Match.QueryCount);
        order = order != 0 ? order : x.Route.CreationTime.CompareTo(y.Route.CreationTime);
        order = order != 0 ? order : string.CompareOrdinal(x.Route.Namespace, y.Route.Namespace);
        order = order != 0 ? order : string.CompareOrdinal(x.Route.Name, y.Route.Name);
        order = order != 0 ? order : x.RuleIndex.CompareTo(y.RuleIndex);
        order = order != 0 ? order : x.MatchIndex.CompareTo(y.MatchIndex);

        // Routes of two kinds may have one name, and one route may be for two ports: which is first does not matter, but it is always the same.
        order = order != 0 ? order : string.CompareOrdinal(x.Route.Kind, y.Route.Kind);
        return order != 0 ? order : Nullable.Compare(x.Port, y.Port);
    }

    private static int CompareWritten(CompiledRule x, CompiledRule y)
    {
        var order = x.Route.CreationTime.CompareTo(y.Route.CreationTime);
        order = order != 0 ? order : string.CompareOrdinal(x.Route.Namespace, y.Route.Namespace);
        order = order != 0 ? order : string.CompareOrdinal(x.Route.Name, y.Route.Name);
        order = order != 0 ? order : x.RuleIndex.CompareTo(y.RuleIndex);
        order = order != 0 ? order : x.MatchIndex.CompareTo(y.MatchIndex);
        return order != 0 ? order : Nullable.Compare(x.Port, y.Port);
    }

    private static int KindRank(CompiledRule rule) => rule.Match.PathKind switch
    {
        PathMatchKind.Exact => 0,
        PathMatchKind.Prefix when rule.Match.Path.Length == 0 && rule.Route.Kind == "GRPCRoute" => 3,
        PathMatchKind.Prefix or PathMatchKind.TextPrefix => 1,
        _ => 2,
    };
}
