namespace Ambient.Policy.Routing.Requests;

/// <summary>A rule where it is tried.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Place">Its place where rules are tried in written order; 0 for all where they are tried by precedence.</param>
internal readonly record struct PlacedRule(CompiledRule Rule, int Place) : IComparable<PlacedRule>
{
    /// <summary>Compares by which is tried first.</summary>
    public int CompareTo(PlacedRule other) => Place != other.Place ? Place.CompareTo(other.Place) : RulePrecedence.Instance.Compare(Rule, other.Rule);
}
