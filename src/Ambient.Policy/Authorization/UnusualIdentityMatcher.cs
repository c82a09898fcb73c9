using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The identity of a peer whose path is not just <c>/ns/x/sa/y</c>, by a pattern that asks for a namespace anywhere in it.
/// </summary>
/// <param name="ns">The namespace: a segment of the path.</param>
/// <param name="pattern">The pattern.</param>
internal sealed class UnusualIdentityMatcher(string ns, TextPattern pattern) : IRequestMatcher
{
    /// <inheritdoc/>
    /// <remarks>No namespace begins with a slash: the index asks for each segment of such a path.</remarks>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Namespace, new(StringMatchKind.Exact, $"/{ns}"));

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => (request.Identity is { } id && IsUnusual(id) && pattern.IsMatch(id.ToString())).ToVerdict();

    /// <summary>Whether a path has more in it than its namespace and account say: <c>/ns/ns/sa/y</c> has <c>/ns/sa/</c>.</summary>
    internal static bool IsUnusual(SpiffeId id) => id.Namespace is null or "ns";
}
