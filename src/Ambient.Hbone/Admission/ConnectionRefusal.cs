namespace Ambient.Hbone.Admission;

/// <summary>That connections were refused because a limit was reached.</summary>
/// <param name="Reason">Which limit, and for whom the last time, for a log.</param>
/// <param name="Count">Refused for this limit since it was last reported, at least 1.</param>
/// <param name="Total">Refused for this limit since the budget was made.</param>
public sealed record ConnectionRefusal(string Reason, long Count, long Total);
