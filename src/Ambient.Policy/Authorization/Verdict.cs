namespace Ambient.Policy.Authorization;

/// <summary>
/// Whether something matches, in three values: what cannot be known (an attribute this version does not have, a value it
/// cannot read, an HTTP attribute of a TCP connection) is neither true nor false. AND is the least, OR the greatest. An
/// ALLOW needs <see cref="Yes"/>; for a DENY <see cref="Maybe"/> is enough. So doubt never opens a door.
/// </summary>
internal enum Verdict
{
    /// <summary>Does not match.</summary>
    No,

    /// <summary>Cannot be known.</summary>
    Maybe,

    /// <summary>Matches.</summary>
    Yes,
}

/// <summary>Three-valued logic.</summary>
internal static class VerdictLogic
{
    internal static Verdict And(this Verdict left, Verdict right) => left < right ? left : right;

    internal static Verdict Or(this Verdict left, Verdict right) => left > right ? left : right;

    internal static Verdict Not(this Verdict verdict) => (Verdict)((int)Verdict.Yes - (int)verdict);

    internal static Verdict ToVerdict(this bool holds) => holds ? Verdict.Yes : Verdict.No;
}
