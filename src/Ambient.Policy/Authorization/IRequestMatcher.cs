using System.Collections.Immutable;

namespace Ambient.Policy.Authorization;

/// <summary>One question to a request. Compiled from a policy once, asked for every request, from many threads.</summary>
internal interface IRequestMatcher
{
    /// <summary>The answer.</summary>
    Verdict Match(in RequestContext request);

    /// <summary>What a request must have for the answer to be another than no; null where that cannot be said in one word.</summary>
    RuleKey? Key => null;
}

/// <summary>Every one of these must match; none at all matches.</summary>
internal sealed class AllOf(ImmutableArray<IRequestMatcher> matchers) : IRequestMatcher
{
    /// <summary>The parts.</summary>
    internal ImmutableArray<IRequestMatcher> Parts => matchers;

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request)
    {
        var verdict = Verdict.Yes;
        foreach (var matcher in matchers.AsSpan())
        {
            verdict = verdict.And(matcher.Match(request));
            if (verdict == Verdict.No)
            {
                break;
            }
        }

        return verdict;
    }
}

/// <summary>One of these must match; none at all does not.</summary>
internal sealed class AnyOf(ImmutableArray<IRequestMatcher> matchers) : IRequestMatcher
{
    /// <summary>The parts.</summary>
    internal ImmutableArray<IRequestMatcher> Parts => matchers;

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request)
    {
        var verdict = Verdict.No;
        foreach (var matcher in matchers.AsSpan())
        {
            verdict = verdict.Or(matcher.Match(request));
            if (verdict == Verdict.Yes)
            {
                break;
            }
        }

        return verdict;
    }
}

/// <summary>The opposite.</summary>
internal sealed class Not(IRequestMatcher matcher) : IRequestMatcher
{
    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => matcher.Match(request).Not();
}

/// <summary>Something this version cannot decide.</summary>
internal sealed class Undecidable : IRequestMatcher
{
    internal static readonly Undecidable Instance = new();

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => Verdict.Maybe;
}
