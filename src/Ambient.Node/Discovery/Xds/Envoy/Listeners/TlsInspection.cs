using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>At which ports TLS is looked into for its server name.</summary>
/// <param name="IsOn">Whether it is at any.</param>
/// <param name="Except">Ports at which it is not; null: at all.</param>
internal sealed record TlsInspection(bool IsOn, PortPredicate? Except)
{
    private const int Deepest = 8;

    /// <summary>At none.</summary>
    public static TlsInspection Nowhere { get; } = new(false, null);

    /// <summary>Whether it is at a port.</summary>
    public bool IsAt(int port) => IsOn && !(Except is { } except && Has(except, port, Deepest));

    private static bool Has(PortPredicate predicate, int port, int depth) => predicate.RuleCase switch
    {
        PortPredicate.RuleOneofCase.DestinationPortRange => port >= predicate.DestinationPortRange.Start && port < predicate.DestinationPortRange.End,
        PortPredicate.RuleOneofCase.OrMatch when depth > 0 => predicate.OrMatch.Rules.Any(rule => Has(rule, port, depth - 1)),
        _ => false,
    };
}
