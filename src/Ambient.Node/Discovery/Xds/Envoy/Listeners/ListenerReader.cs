using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Telemetry;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>
/// Reads listeners, and remembers their chains: a waypoint's is one resource for all of its services and comes whole for every change, so chains whose
/// bytes are the same are not read again. Used by one thread at a time.
/// </summary>
internal sealed class ListenerReader
{
    private Dictionary<(string Listener, UInt128 Digest), (EnvoyChain Chain, PartProblems Problems)> _chains = [];

    private readonly ChainTelemetryReader _telemetry = new();

    /// <summary>How many chains were read anew by the last <see cref="Read"/>.</summary>
    public int Anew { get; private set; }

    /// <summary>Reads a listener.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    /// <exception cref="InvalidDataException">It calls itself otherwise.</exception>
    public EnvoyListener Read(string name, ByteString bytes, Problems problems)
    {
        var wire = Strict.Read(Listener.Parser, bytes, out var isWhole);
        ResourceNames.Same(name, wire.Name);
        if (EnvoyListener.IsPlumbing(wire.Name))
        {
            return wire.Name == EnvoyListener.Tunnels ? Tunnels(wire, isWhole, problems) : new EnvoyListener { Name = wire.Name };
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
                try
                {
                    read = (ChainReader.Read(chain, wire.Name, _telemetry, own), own.ToPart());
                }
                catch (Exception e) when (Faults.IsOfBytes(e) && wire.Name == EnvoyListener.Main)
                {
                    // Its name is not known, so the port that leads to it has no chain. At a gateway another one would take its connections.
                    problems.Add($"listener {wire.Name}", $"a chain that cannot be read: {e.Message}");
                    continue;
                }
            }

            kept[key] = read;
            chains.Add(read.Chain);
            problems.Add(read.Problems);
        }

        _chains = kept;
        var socket = wire.Address?.SocketAddress;
        if (socket is { Protocol: not 0 })
        {
            problems.Add($"listener {wire.Name}", "datagrams (UDP)");
            return new EnvoyListener { Name = wire.Name };
        }

        var blocked = isWhole ? ListenerFilters.Blocked(wire) : "a field of the listener that is not known";
        if (blocked is not null)
        {
            problems.Add($"listener {wire.Name}", blocked);
        }

        return new EnvoyListener
        {
            Name = wire.Name,
            Port = socket is { PortValue: <= 65535 } ? (int)socket.PortValue : 0,
            Bind = IPAddress.TryParse(socket?.Address, out var bind) && !bind.Equals(IPAddress.Any) && !bind.Equals(IPAddress.IPv6Any) ? bind : null,
            Chains = blocked is null ? chains.ToImmutable() : [.. chains.Select(chain => chain with { Blocked = $"not understood: {blocked}", IsOfBlockedListener = true })],
            ExpectsProxyHeader = ListenerFilters.ExpectsProxyHeader(wire),
            Destinations = wire.FilterChainMatcher is { } matcher ? DestinationReader.Read(matcher, problems) : [],
            LooksIntoTls = ListenerFilters.LooksIntoTls(wire),
        };
    }

    /// <summary>Forgets a listener that is gone.</summary>
    public void Forget(string listener) => _chains = _chains.Where(entry => entry.Key.Listener != listener).ToDictionary();

    /// <summary>The listener that ends tunnels. Where its policies cannot be read nobody may open one.</summary>
    private static EnvoyListener Tunnels(Listener wire, bool isWhole, Problems problems)
    {
        try
        {
            var policies = wire.FilterChains.Select(chain => ChainReader.ReadTunnels(chain, problems)).Aggregate(ImmutableArray<RequestAuthorizationPolicy>.Empty, ChainPolicies.Behind);
            var unknown = !isWhole ? "a field of the listener that is not known" : wire.FilterChains.Count == 0 ? "no chain for them" : null;
            return new EnvoyListener
            {
                Name = wire.Name,
                TrustDomains = TrustDomains(wire),
                TunnelPolicies = unknown is null ? policies : policies.Add(ChainPolicies.Nobody(problems.Add("tunnels", unknown))),
            };
        }
        catch (Exception e) when (Faults.IsOfBytes(e))
        {
            return new EnvoyListener { Name = wire.Name, TunnelPolicies = [ChainPolicies.Nobody(problems.Add("tunnels", $"they cannot be read: {e.Message}"))] };
        }
    }

    /// <summary>Trust domains in the beginnings of identities that clients of tunnels may have.</summary>
    private static ImmutableArray<string> TrustDomains(Listener wire)
    {
        var found = ImmutableArray.CreateBuilder<string>();
        foreach (var bytes in wire.FilterChains)
        {
            var socket = FilterChain.Parser.ParseFrom(bytes).TransportSocket;
            if (socket?.TypedConfig?.TypeUrl != EnvoyTypes.DownstreamTls)
            {
                continue;
            }

            found.AddRange(MeshSecrets.TrustDomains(DownstreamTlsContext.Parser.ParseFrom(socket.TypedConfig.Value).CommonTlsContext));
        }

        return [.. found.Distinct()];
    }
}
