using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Server names of chains as a condition: of several chains a connection belongs to that which names it most exactly.</summary>
internal static class ServerNames
{
    /// <summary>Whether a connection belongs to these names and not to those of other chains.</summary>
    /// <param name="own">Whole names, <c>*.x</c> for the end of one; empty or <c>*</c> for any.</param>
    /// <param name="others">Names of the port's other chains.</param>
    public static RequestExpression Of(IEnumerable<string> own, IEnumerable<string> others)
    {
        string[] rest = [.. others.Distinct(StringComparer.OrdinalIgnoreCase)];
        return new AnyExpression([.. own.Distinct(StringComparer.OrdinalIgnoreCase).Select(name => Of(name, [.. rest.Where(other => Covers(name, other))]))]);
    }

    private static RequestExpression Of(string name, ImmutableArray<string> without) => without.IsEmpty
        ? Is(name)
        : new AllExpression([Is(name), .. without.Select(static other => new NotExpression(Is(other)))]);

    private static RequestExpression Is(string name) => IsAny(name) ? RequestExpression.Always
        : name.StartsWith('*') ? Compared(TextComparisonKind.Suffix, name[1..])
        : Compared(TextComparisonKind.Exact, name);

    private static TextExpression Compared(TextComparisonKind kind, string text) => new(RequestText.ServerName, "", new TextComparison(kind, text, true));

    private static bool IsAny(string name) => name is "" or "*";

    /// <summary>Whether a name stands for more than another, which it includes.</summary>
    private static bool Covers(string name, string other) => !IsAny(other) && (IsAny(name)
        || (name.StartsWith('*') && other.Length > name.Length && other.EndsWith(name[1..], StringComparison.OrdinalIgnoreCase)));
}
