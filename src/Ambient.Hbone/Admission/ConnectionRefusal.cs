namespace Ambient.Hbone.Admission;

/// <summary>That connections were refused because a limit was reached.</summary>
/// <param name="Limit">Which: the name of a property of <see cref="ConnectionLimits"/>.</param>
/// <param name="Reason">The limit in words, and for whom it was reached the last time, for a log.</param>
/// <param name="Count">Refused for this limit since it was last reported, at least 1.</param>
/// <param name="Total">Refused for this limit since the budget was made.</param>
public sealed record ConnectionRefusal(string Limit, string Reason, long Count, long Total);
