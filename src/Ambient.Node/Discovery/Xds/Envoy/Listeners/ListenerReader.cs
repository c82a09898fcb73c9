using System.Buffers;
using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Policies;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Telemetry;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>
/// Reads listeners, and remembers their chains: a waypoint's is one resource for all of its services and comes whole for every change, so chains whose
/// bytes are the same are not read again. Used by one thread at a time.
/// </summary>
internal sealed class ListenerReader
{
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);
    private readonly ChainTelemetryReader _telemetry = new();

    /// <summary>Reads a listener.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    /// <exception cref="InvalidDataException">They are none, or it calls itself otherwise.</exception>
    public EnvoyListener Read(string name, ReadOnlySpan<byte> bytes, Problems problems)
    {
        var (rest, length) = WithoutChains(bytes, out var spans);
        Known? known;
        Frame frame;
        try
        {
            var read = rest.AsSpan(0, length);
            var digest = ByteDigest.Of(read);
            if (!_known.TryGetValue(name, out known) || known.Frame is not { } before || before.Digest != digest)
            {
                var wire = Strict.Read(Listener.Parser, read, out var isWhole);
                ResourceNames.Same(name, wire.Name);
                if (EnvoyListener.IsPlumbing(name))
                {
                    return name == EnvoyListener.Tunnels ? Tunnels(name, bytes, spans, isWhole, problems) : new EnvoyListener { Name = name };
                }

                before = FrameOf(wire, isWhole, digest);
            }

            frame = before;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rest);
        }

        _known[name] = known ??= new Known();
        known.Frame = frame;
        problems.Add(frame.Problems);
        var chains = ReadChains(name, bytes, spans, known, problems);
        return frame.Listener with
        {
            Chains = frame.IsOfDatagrams ? []
                : frame.Blocked is null ? chains : [.. chains.Select(chain => chain with { Blocked = $"not understood: {frame.Blocked}", IsOfBlockedListener = true })],
        };
    }

    private ImmutableArray<EnvoyChain> ReadChains(string listener, ReadOnlySpan<byte> bytes, List<Range> spans, Known known, Problems problems)
    {
        known.Begin();
        var chains = ImmutableArray.CreateBuilder<EnvoyChain>(spans.Count);
        HashSet<EnvoyChain>? before = null;
        foreach (var span in spans)
        {
            var key = ByteDigest.Of(bytes[span]);
            if (!known.TryFind(key, out var read))
            {
                var own = new Problems();
                try
                {
                    // What is the same in other bytes stays the same instance, and nothing is made of it again: the order of entries of a map is another each time.
                    before ??= [.. known.Chains];
                    var chain = ChainReader.Read(bytes[span], listener, _telemetry, own);
                    read = (before.TryGetValue(chain, out var same) ? same : chain, own.ToPart());
                }
                catch (Exception e) when (Faults.IsOfBytes(e) && listener == EnvoyListener.Main)
                {
                    // Its name is not known, so the port that leads to it has no chain. At a gateway another one would take its connections.
                    problems.Add($"listener {listener}", $"a chain that cannot be read: {e.Message}");
                    continue;
                }
            }

            known.Set(key, read);
            chains.Add(read.Chain);
            problems.Add(read.Problems);
        }

        known.End();
        return chains.ToImmutable();
    }

    /// <summary>What a listener says besides its chains.</summary>
    private static Frame FrameOf(Listener wire, bool isWhole, UInt128 digest)
    {
        var problems = new Problems();
        var socket = wire.Address?.SocketAddress;
        if (socket is { Protocol: not 0 })
        {
            problems.Add($"listener {wire.Name}", "datagrams (UDP)");
            return new Frame(digest, new EnvoyListener { Name = wire.Name }, null, problems.ToPart()) { IsOfDatagrams = true };
        }

        var blocked = isWhole ? ListenerFilters.Blocked(wire) : "a field of the listener that is not known";
        if (blocked is not null)
        {
            problems.Add($"listener {wire.Name}", blocked);
        }

        var listener = new EnvoyListener
        {
            Name = wire.Name,
            Port = socket is { PortValue: <= 65535 } ? (int)socket.PortValue : 0,
            Bind = IPAddress.TryParse(socket?.Address, out var bind) && !bind.Equals(IPAddress.Any) && !bind.Equals(IPAddress.IPv6Any) ? bind : null,
            ExpectsProxyHeader = ListenerFilters.ExpectsProxyHeader(wire),
            Destinations = wire.FilterChainMatcher is { } matcher ? DestinationReader.Read(matcher, problems) : [],
            Inspection = ListenerFilters.Inspection(wire),
        };
        return new Frame(digest, listener, blocked, problems.ToPart());
    }

    /// <summary>Forgets a listener that is gone.</summary>
    public void Forget(string listener) => _known.Remove(listener);

    /// <summary>
    /// A listener's bytes without those of its chains (<see cref="Listener.FilterChains"/>), which are left where they lie: they are nearly all of it, and most are as before.
    /// The array is the shared pool's.
    /// </summary>
    private static (byte[] Bytes, int Length) WithoutChains(ReadOnlySpan<byte> bytes, out List<Range> chains)
    {
        chains = [];
        var rest = new List<Range>();
        var (length, start) = (0, 0);
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            var end = fields.Position;
            if (fields is { Number: Listener.FilterChainsFieldNumber, IsText: true })
            {
                chains.Add((end - fields.Content.Length)..end);
            }
            else
            {
                rest.Add(start..end);
                length += end - start;
            }

            start = end;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(length);
        var at = 0;
        foreach (var part in rest)
        {
            bytes[part].CopyTo(buffer.AsSpan(at));
            at += part.End.Value - part.Start.Value;
        }

        return (buffer, length);
    }

    /// <summary>The listener that ends tunnels. Where its policies cannot be read nobody may open one.</summary>
    private static EnvoyListener Tunnels(string name, ReadOnlySpan<byte> bytes, List<Range> chains, bool isWhole, Problems problems)
    {
        try
        {
            ImmutableArray<RequestAuthorizationPolicy> policies = [];
            foreach (var chain in chains)
            {
                policies = ChainPolicies.Behind(policies, ChainReader.ReadTunnels(bytes[chain], problems));
            }

            var unknown = !isWhole ? "a field of the listener that is not known" : chains.Count == 0 ? "no chain for them" : null;
            return new EnvoyListener
            {
                Name = name,
                TrustDomains = TrustDomains(bytes, chains),
                TunnelPolicies = unknown is null ? policies : policies.Add(ChainPolicies.Nobody(problems.Add("tunnels", unknown))),
            };
        }
        catch (Exception e) when (Faults.IsOfBytes(e))
        {
            return new EnvoyListener { Name = name, TunnelPolicies = [ChainPolicies.Nobody(problems.Add("tunnels", $"they cannot be read: {e.Message}"))] };
        }
    }

    /// <summary>Trust domains in the beginnings of identities that clients of tunnels may have.</summary>
    private static ImmutableArray<string> TrustDomains(ReadOnlySpan<byte> bytes, List<Range> chains)
    {
        var found = ImmutableArray.CreateBuilder<string>();
        foreach (var chain in chains)
        {
            var socket = FilterChain.Parser.ParseFrom(bytes[chain]).TransportSocket;
            if (socket?.TypedConfig?.TypeUrl != EnvoyTypes.DownstreamTls)
            {
                continue;
            }

            found.AddRange(MeshSecrets.TrustDomains(DownstreamTlsContext.Parser.ParseFrom(socket.TypedConfig.Value).CommonTlsContext));
        }

        return [.. found.Distinct()];
    }

    /// <summary>What a listener says besides its chains: the lookup of a thousand services is large too, and seldom another.</summary>
    /// <param name="Digest">Of its bytes.</param>
    /// <param name="Listener">The listener, without chains.</param>
    /// <param name="Blocked">Why none of them is served; null: nothing forbids it.</param>
    /// <param name="Problems">What of it is not understood.</param>
    private sealed record Frame(UInt128 Digest, EnvoyListener Listener, string? Blocked, PartProblems Problems)
    {
        /// <summary>Whether it is not for connections at all.</summary>
        public bool IsOfDatagrams { get; init; }
    }

    /// <summary>
    /// Chains of a listener by the digests of their bytes, those of earlier readings too: a chain with a few entries in maps comes in a few forms, and
    /// each is read once. One table, which is used again: a thousand chains fill one that is large enough for the heap of large objects.
    /// </summary>
    private sealed class Known
    {
        // Of each chain on average; forms that were not seen lately go when there are more.
        private const int MostForms = 8;

        private readonly Dictionary<UInt128, (EnvoyChain Chain, PartProblems Problems, int Seen)> _forms = [];
        private int _reading;
        private int _count;

        /// <summary>What it says besides; null: it has not been read.</summary>
        public Frame? Frame { get; set; }

        /// <summary>All that is known.</summary>
        public IEnumerable<EnvoyChain> Chains => _forms.Values.Select(static form => form.Chain);

        /// <summary>A reading begins.</summary>
        public void Begin() => (_reading, _count) = (_reading + 1, 0);

        /// <summary>What bytes say that were read before.</summary>
        public bool TryFind(UInt128 digest, out (EnvoyChain Chain, PartProblems Problems) read)
        {
            var isKnown = _forms.TryGetValue(digest, out var form);
            read = (form.Chain, form.Problems);
            return isKnown;
        }

        /// <summary>Bytes of this reading, and what they say.</summary>
        public void Set(UInt128 digest, (EnvoyChain Chain, PartProblems Problems) read)
        {
            _forms[digest] = (read.Chain, read.Problems, _reading);
            _count++;
        }

        /// <summary>The reading is over.</summary>
        public void End()
        {
            if (_forms.Count <= MostForms * _count)
            {
                return;
            }

            foreach (var (digest, form) in _forms)
            {
                if (form.Seen != _reading)
                {
                    _forms.Remove(digest);
                }
            }
        }
    }
}
