using System.Collections.Immutable;
using System.Security.Cryptography;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>
/// Reads listeners, and remembers their chains: a waypoint's is one resource for all of its services and comes whole for every change, so chains whose
/// bytes are the same are not read again. Used by one thread at a time.
/// </summary>
internal sealed class ListenerReader
{
    private const string TlsInspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";

    private Dictionary<(string Listener, UInt128 Digest), (EnvoyChain Chain, PartProblems Problems)> _chains = [];

    /// <summary>How many chains were read anew by the last <see cref="Read"/>.</summary>
    public int Anew { get; private set; }

    /// <summary>Reads a listener.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    public EnvoyListener Read(ByteString bytes, Problems problems)
    {
        var wire = Listener.Parser.ParseFrom(bytes);
        if (EnvoyListener.IsPlumbing(wire.Name))
        {
            return new EnvoyListener
            {
                Name = wire.Name,
                TrustDomains = wire.Name == EnvoyListener.Tunnels ? TrustDomains(wire) : [],
                TunnelPolicies = wire.Name != EnvoyListener.Tunnels ? []
                    : wire.FilterChains.Select(chain => ChainReader.ReadTunnels(chain, problems)).Aggregate(ImmutableArray<RequestAuthorizationPolicy>.Empty, ChainPolicies.Behind),
            };
        }

        var kept = _chains.Where(entry => entry.Key.Listener != wire.Name).ToDictionary();
        Anew = 0;
        var chains = ImmutableArray.CreateBuilder<EnvoyChain>(wire.FilterChains.Count);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        foreach (var chain in wire.FilterChains)
        {
            SHA256.HashData(chain.Span, digest);
            var key = (wire.Name, BitConverter.ToUInt128(digest));
            if (!_chains.TryGetValue(key, out var read))
            {
                Anew++;
                var own = new Problems();
                read = (ChainReader.Read(chain, wire.Name, own), own.ToPart());
            }

            kept[key] = read;
            chains.Add(read.Chain);
            problems.Add(read.Problems);
        }

        _chains = kept;
        return new EnvoyListener
        {
            Name = wire.Name,
            Port = wire.Address?.SocketAddress is { PortValue: <= 65535 } socket ? (int)socket.PortValue : 0,
            Chains = chains.MoveToImmutable(),
            Destinations = wire.FilterChainMatcher is { } matcher ? DestinationReader.Read(matcher, problems) : [],
            LooksIntoTls = LooksIntoTls(wire),
        };
    }

    /// <summary>Forgets a listener that is gone.</summary>
    public void Forget(string listener) => _chains = _chains.Where(entry => entry.Key.Listener != listener).ToDictionary();

    private static Func<int, bool> LooksIntoTls(Listener wire)
    {
        var inspectors = wire.ListenerFilters.Where(filter => filter.TypedConfig?.TypeUrl == TlsInspector).ToArray();
        return inspectors is [var inspector]
            ? port => !(inspector.FilterDisabled is { } disabled && Has(disabled, port, 8))
            : static _ => false;
    }

    private static bool Has(PortPredicate predicate, int port, int depth) => predicate.RuleCase switch
    {
        PortPredicate.RuleOneofCase.DestinationPortRange => port >= predicate.DestinationPortRange.Start && port < predicate.DestinationPortRange.End,
        PortPredicate.RuleOneofCase.OrMatch when depth > 0 => predicate.OrMatch.Rules.Any(rule => Has(rule, port, depth - 1)),
        _ => false,
    };

    /// <summary>Trust domains in the beginnings of identities that clients of tunnels may have.</summary>
    private static ImmutableArray<string> TrustDomains(Listener wire)
    {
        const string Scheme = "spiffe://";
        var found = ImmutableArray.CreateBuilder<string>();
        foreach (var bytes in wire.FilterChains)
        {
            var socket = FilterChain.Parser.ParseFrom(bytes).TransportSocket;
            if (socket?.TypedConfig?.TypeUrl != EnvoyTypes.DownstreamTls)
            {
                continue;
            }

            var context = DownstreamTlsContext.Parser.ParseFrom(socket.TypedConfig.Value).CommonTlsContext?.CombinedValidationContext?.DefaultValidationContext;
            found.AddRange(context?.MatchTypedSubjectAltNames.Select(name => name.Matcher?.Prefix ?? "")
                .Where(prefix => prefix.StartsWith(Scheme, StringComparison.Ordinal) && prefix.IndexOf('/', Scheme.Length) == prefix.Length - 1)
                .Select(prefix => prefix[Scheme.Length..^1]) ?? []);
        }

        return [.. found.Distinct()];
    }
}
