using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>
/// Policies of a chain whose clients show certificates that are verified: what their names are policies are not told here, so that nothing can be said of what
/// asks for them. What allows does not, and what denies does.
/// </summary>
internal static class UnknownClients
{
    private const string Why = "the identity of a client that a gateway verifies";

    /// <summary>The policies, what asks for an identity unknown in them.</summary>
    public static ImmutableArray<RequestAuthorizationPolicy> In(ImmutableArray<RequestAuthorizationPolicy> policies, string where, Problems problems)
    {
        if (!policies.Any(static policy => policy.Rules.Any(static rule => rule.Expressions.Any(Asks))))
        {
            return policies;
        }

        problems.Add(where, Why);
        return [.. policies.Select(static policy => policy with { Rules = [.. policy.Rules.Select(static rule => rule with { Expressions = [.. rule.Expressions.Select(Without)] })] })];
    }

    private static bool Asks(RequestExpression expression) => expression switch
    {
        TextExpression text => text.Text == RequestText.Identity,
        AllExpression all => all.Parts.Any(Asks),
        AnyExpression any => any.Parts.Any(Asks),
        NotExpression not => Asks(not.Part),
        _ => false,
    };

    private static RequestExpression Without(RequestExpression expression) => expression switch
    {
        TextExpression { Text: RequestText.Identity } => new UnknownExpression(Why),
        AllExpression all => new AllExpression([.. all.Parts.Select(Without)]),
        AnyExpression any => new AnyExpression([.. any.Parts.Select(Without)]),
        NotExpression not => new NotExpression(Without(not.Part)),
        _ => expression,
    };
}
