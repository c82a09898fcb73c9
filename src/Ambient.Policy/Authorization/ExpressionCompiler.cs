using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>
/// Turns expressions into matchers. Where istiod has written a plain comparison as a regular expression it becomes the plain one again, which rules
/// are found by. What cannot be decided becomes <see cref="Undecidable"/>.
/// </summary>
internal static partial class ExpressionCompiler
{
    private const string Scheme = "spiffe://";

    // Expressions nest as deep as whoever wrote them likes; ours go no deeper than any real one does.
    private const int MaxDepth = 64;

    internal static IRequestMatcher Compile(RequestExpression expression) => Compile(expression, MaxDepth);

    private static IRequestMatcher Compile(RequestExpression expression, int depth) => depth == 0 ? Undecidable.Instance : expression switch
    {
        AllExpression all => new AllOf(Parts(all.Parts, depth)),
        AnyExpression any => new AnyOf(Parts(any.Parts, depth)),
        NotExpression not => new Not(Compile(not.Part, depth - 1)),
        TextExpression text => Compile(text),
        ClaimExpression { Path.IsEmpty: false } claim => Plain(claim.Comparison) is { } match ? new ClaimMatcher([.. claim.Path], match)
            : TextPattern.TryCreate(claim.Comparison, out var pattern) ? new ClaimPatternMatcher([.. claim.Path], pattern) : Undecidable.Instance,
        AddressExpression address => address.Address switch
        {
            RequestAddress.Source => new SourceAddressMatcher(address.Range),
            RequestAddress.Client => new RemoteAddressMatcher(address.Range),
            _ => new DestinationAddressMatcher(address.Range),
        },
        PortExpression port => new DestinationPortMatcher(port.Port),
        PathTemplateExpression template => PathTemplate.TryParse(template.Template, out var parsed) ? new PathTemplateMatcher(parsed) : Undecidable.Instance,
        _ => Undecidable.Instance,
    };

    private static ImmutableArray<IRequestMatcher> Parts(ImmutableArray<RequestExpression> parts, int depth) =>
        [.. parts.Select(part => Compile(part, depth - 1))];

    private static IRequestMatcher Compile(TextExpression text)
    {
        if (text.Text == RequestText.Identity && Identity(text.Comparison) is { } identity)
        {
            return identity;
        }

        if (text.Text != RequestText.Identity && Plain(text.Comparison) is { } match)
        {
            return text switch
            {
                { Text: RequestText.Path } => new PathMatcher(match),
                { Text: RequestText.ServerName } => new ServerNameMatcher(match),
                { Name: ":method" } => new MethodMatcher(match),
                { Name: ":authority" } when match.Kind == StringMatchKind.Presence => new HostMatcher(match),
                _ => new HeaderMatcher(text.Name, match),
            };
        }

        if (text is { Text: RequestText.Header, Name: ":authority", Comparison.IgnoresCase: true } && Plain(text.Comparison with { IgnoresCase = false }) is { } host)
        {
            return new HostMatcher(host);
        }

        return TextPattern.TryCreate(text.Comparison, out var pattern) ? new TextPatternMatcher(text.Text, text.Name, pattern) : Undecidable.Instance;
    }

    /// <summary>A comparison of an identity, as istiod writes those of principals, namespaces and service accounts; null: of another form.</summary>
    private static IRequestMatcher? Identity(TextComparison comparison)
    {
        var value = comparison.Value;
        if (comparison is { Kind: TextComparisonKind.Exact or TextComparisonKind.Prefix, IgnoresCase: false })
        {
            return value.StartsWith(Scheme, StringComparison.Ordinal) && value.Length > Scheme.Length
                ? new PrincipalMatcher(new(comparison.Kind == TextComparisonKind.Exact ? StringMatchKind.Exact : StringMatchKind.Prefix, value[Scheme.Length..]))
                : null;
        }

        if (comparison is { Kind: TextComparisonKind.Suffix, IgnoresCase: false } && value.Length > 0 && !value.Contains(':', StringComparison.Ordinal))
        {
            return new PrincipalMatcher(new(StringMatchKind.Suffix, value));
        }

        if (Plain(comparison) is { Kind: StringMatchKind.Presence } anybody)
        {
            return new PrincipalMatcher(anybody);
        }

        if (comparison.Kind != TextComparisonKind.RegularExpression)
        {
            return null;
        }

        if (NamespacePattern().Match(value) is { Success: true } ns)
        {
            var name = Unescaped(ns.Groups[1].Value);
            return OrUnusual(new NamespaceMatcher(new(StringMatchKind.Exact, name)), name, comparison);
        }

        if (AccountPattern().Match(value) is { Success: true } account)
        {
            var name = Unescaped(account.Groups[1].Value);
            return OrUnusual(new ServiceAccountMatcher(new(name, Unescaped(account.Groups[2].Value))), name, comparison);
        }

        return null;
    }

    /// <summary>What is found by its namespace or account, and identities of another form, to which the pattern is put as it is.</summary>
    private static AnyOf? OrUnusual(IRequestMatcher usual, string ns, TextComparison comparison) =>
        TextPattern.TryCreate(comparison, out var pattern) ? new AnyOf([usual, new UnusualIdentityMatcher(ns, pattern)]) : null;

    /// <summary>A comparison of the kind that policies are written in; null: of another.</summary>
    private static StringMatch? Plain(TextComparison comparison) => comparison switch
    {
        { Kind: TextComparisonKind.Present } or { Kind: TextComparisonKind.RegularExpression, Value: ".+" } => new(StringMatchKind.Presence, ""),
        { IgnoresCase: true } or { Value.Length: 0 } => null,
        { Kind: TextComparisonKind.Exact } => new(StringMatchKind.Exact, comparison.Value),
        { Kind: TextComparisonKind.Prefix } => new(StringMatchKind.Prefix, comparison.Value),
        { Kind: TextComparisonKind.Suffix } => new(StringMatchKind.Suffix, comparison.Value),
        _ => null,
    };

    private static string Unescaped(string literal) => literal.Replace("\\", "", StringComparison.Ordinal);

    // Names of Kubernetes, with the dots of which istiod quotes.
    [GeneratedRegex(@"^\.\*/ns/((?:[a-z0-9-]|\\\.)+)/\.\*\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamespacePattern();

    [GeneratedRegex(@"^spiffe://\.\+/ns/((?:[a-z0-9-]|\\\.)+)/\(\.\+/\|\)sa/((?:[a-z0-9-]|\\\.)+)\(/\.\+\)\?\z", RegexOptions.CultureInvariant)]
    private static partial Regex AccountPattern();
}
