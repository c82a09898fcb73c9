using System.Collections.Immutable;
using System.Net;
using System.Text;
using System.Threading.Channels;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Extensions;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Discovery.Xds.Envoy.Routes;
using Ambient.Node.Discovery.Xds.Envoy.Secrets;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Telemetry.Metrics;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Xds.Envoy;

/// <summary>
/// What istiod configures the Envoy of a waypoint or gateway with, asked for in Envoy's order: clusters, their endpoints, listeners, then what those name,
/// and the workloads beside them. A resource whose bytes came before is not read again, and one that says the same in other bytes changes nothing.
/// </summary>
internal sealed class EnvoySession : IXdsSession, IResourceReader
{
    // An answer names so many; the log has all.
    private const int MostNamed = 20;

    private const int LongestUsualName = 256;

    // Says what was held before another of its name came in the same response.
    private static readonly object s_twice = new();

    private readonly MeshPart _part;
    private readonly EnvoyMesh _mesh;
    private readonly ILogger _logger;
    private readonly ReceivedConfiguration? _received;
    private readonly ListenerReader _listeners = new();
    private readonly Dictionary<string, Dictionary<string, Held>> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _workloads = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (HashSet<string> Names, int Changes)> _watched = new(StringComparer.Ordinal);

    // Of the response that is being read.
    private HashSet<(string Type, string Name)> _new = [];

    // How often anything that is held became another.
    private int _changes;
    private ImmutableHashSet<string> _said = [];
    private bool _asksForListeners;
    private bool _hasEndpoints;

    /// <summary>Creates a session.</summary>
    /// <param name="store">Filled with what comes.</param>
    /// <param name="node">The proxy.</param>
    /// <param name="logger">Where it says what is not understood.</param>
    /// <param name="received">Keeps what came, for the admin endpoint; null: nobody asks.</param>
    public EnvoySession(MeshStore store, EnvoyNode node, ILogger logger, ReceivedConfiguration? received = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        (_part, _mesh, _logger, _received) = (store.AddPart("Envoy xDS"), new EnvoyMesh(node), logger, received);
    }

    /// <summary>What came, for the admin endpoint; null: it is not kept.</summary>
    public ReceivedConfiguration? Received => _received;

    /// <summary>Makes the session of a waypoint's or gateway's pod, which keeps what it receives.</summary>
    /// <param name="xds">The pod, as the control plane is told.</param>
    /// <param name="gateway">Name of its Gateway, which is in the pod's namespace.</param>
    /// <param name="store">Filled with what comes.</param>
    /// <param name="logger">Where it says what is not understood.</param>
    /// <param name="time">Clock.</param>
    /// <exception cref="MeshSourceException">The pod's address is not known.</exception>
    public static EnvoySession Of(XdsOptions xds, string gateway, MeshStore store, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(xds);

        // Of a dual-stack pod the first.
        if (!IPAddress.TryParse(xds.InstanceIP.Split(',')[0], out var address))
        {
            throw new MeshSourceException($"INSTANCE_IP: \"{xds.InstanceIP}\" is not an IP address; without the pod's own address it is not known which part of istiod's configuration is for this pod");
        }

        return new EnvoySession(
            store, new EnvoyNode(xds.Kind == XdsNodeKind.Router, xds.PodNamespace, gateway, address), logger, new ReceivedConfiguration(XdsNode.Of(xds).ToByteString(), time));
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Awaited => [EnvoyTypes.Cluster, EnvoyTypes.Listener, EnvoyTypes.Workload];

    /// <summary>What of the configuration is not understood, by resource and part.</summary>
    public ImmutableArray<string> Problems => [.. _held.Values.SelectMany(static held => held.Values).SelectMany(static held => held.Problems.Blocked).Distinct().Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public bool Takes(string type) => type is EnvoyTypes.Cluster or EnvoyTypes.Assignment or EnvoyTypes.Listener or EnvoyTypes.Routes or EnvoyTypes.Extension or EnvoyTypes.Secret or EnvoyTypes.Workload;

    /// <inheritdoc/>
    public string Subscribe(Protos.Discovery.Node node, ChannelWriter<DeltaDiscoveryRequest> outbox)
    {
        _watched.Clear();
        _new = [];
        _asksForListeners = false;
        outbox.TryWrite(Everything(EnvoyTypes.Cluster, node));
        var workloads = new DeltaDiscoveryRequest { TypeUrl = EnvoyTypes.Workload };
        foreach (var (name, version) in _workloads)
        {
            workloads.InitialResourceVersions[name] = version;
        }

        outbox.TryWrite(workloads);
        return _workloads.Count == 0 ? "what an Envoy is configured with" : $"what an Envoy is configured with, and what changed since {_workloads.Count} workloads";
    }

    /// <inheritdoc/>
    public XdsAnswer Apply(XdsResponse response)
    {
        var type = response.TypeUrl;
        var refused = response.Refused.Select(refusal => $"{refusal.Name}: {refusal.Reason}").ToList();
        if (Takes(type))
        {
            foreach (var (name, reason) in response.Refused)
            {
                // What was held under the name stays.
                _received?.Refuse(type, name, reason);
            }

            foreach (var (name, version, model) in response.Taken)
            {
                Take(type, name, version, model, refused);
            }

            foreach (var name in response.Removed)
            {
                Remove(type, name);
            }
        }

        if (_new.Count > 0)
        {
            _new = [];
        }

        // Clusters come first; whoever does not wait for their endpoints has no need to.
        _hasEndpoints |= type is EnvoyTypes.Assignment or EnvoyTypes.Listener;
        _mesh.AwaitsEndpoints = !_hasEndpoints && _mesh.WantedAssignments.Any();

        // What nobody wants any more goes with the response that says so, and not with whatever comes next.
        var further = Further(type).ToArray();
        var problems = new Problems();
        _part.Update(update => _mesh.Publish(update, problems));
        var (blocked, notes) = Said(type);
        var said = blocked.Concat(problems.ToPart().Blocked).Distinct().Order(StringComparer.Ordinal).ToArray();
        Log(said, notes);
        var answer = new DeltaDiscoveryRequest { TypeUrl = type, ResponseNonce = response.Nonce };
        if (refused.Count + said.Length > 0)
        {
            var all = refused.Concat(said).ToArray();
            answer.ErrorDetail = new Status
            {
                // INVALID_ARGUMENT of google.rpc.Code.
                Code = 3,
                Message = string.Join("; ", all.Take(MostNamed)) + (all.Length > MostNamed ? $"; and {all.Length - MostNamed} more" : ""),
            };
        }

        _received?.Answered(type, response.Version, refused.Count == 0);
        return new XdsAnswer(answer, refused.Count == 0, further);
    }

    /// <inheritdoc/>
    public void Close()
    {
    }

    private void Take(string type, string name, string version, object? model, List<string> refused)
    {
        if (type == EnvoyTypes.Workload)
        {
            if (model is not Workload workload)
            {
                return;
            }

            if (workload.Uid != name)
            {
                // It would stay when the name goes.
                refused.Add($"{name}: calls itself {workload.Uid}");
                XdsLog.Refused(_logger, type, name, $"calls itself {workload.Uid}");
                return;
            }

            _workloads[name] = version;
            _mesh.SetWorkload(workload);
            return;
        }

        if (ReferenceEquals(model, s_twice))
        {
            refused.Add($"{name}: comes twice in one response");
            return;
        }

        if (model is not EnvoyResource resource)
        {
            refused.Add($"{name}: is of another type");
            return;
        }

        Set(type, name, resource.Model);
        HeldOf(type)[name] = new Held(resource.Digest, resource.Model, resource.Problems);
        _received?.Keep(type, name, resource.Bytes, version, resource.Problems.Blocked);
    }

    /// <summary>Reads a resource where it lies. Whether it says what is held already shows here; then nothing is kept of it but its bytes, in the place of those before.</summary>
    object? IResourceReader.Read(ReadOnlySpan<byte> type, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, ref TimeSpan decoding)
    {
        if (EnvoyTypes.Find(type) is not { } known)
        {
            return null;
        }

        var digest = ByteDigest.Of(value);
        var held = Find(known, name, out var text);
        if (held?.Digest == digest)
        {
            return Same();
        }

        if (held?.HadForm(digest) == true)
        {
            return Again(value);
        }

        var problems = new Problems();
        var begun = ThreadTime.Now;
        var model = Read(known, text, value, held?.Model, problems);
        decoding += ThreadTime.Now - begun;
        var part = problems.ToPart();
        if (held is not null && Equals(model, held.Model) && part.IsSame(held.Problems))
        {
            return Again(value);
        }

        _new.Add((known, text));
        return new EnvoyResource(digest, model, part, _received is null ? default : value.ToArray());

        // The same in other bytes: istiod does not order the entries of maps.
        object Again(ReadOnlySpan<byte> bytes)
        {
            held!.Came(digest);
            _received?.Replace(known, text, bytes);
            return Same();
        }

        // Once another of its name came in the same response, what it was compared with is on its way out.
        object Same() => _new.Count > 0 && _new.Contains((known, text)) ? s_twice : IResourceReader.Unchanged;
    }

    /// <summary>What is held under a name, or null. A new string is made of the name only where nothing is.</summary>
    private Held? Find(string type, ReadOnlySpan<byte> name, out string text)
    {
        Span<char> characters = stackalloc char[LongestUsualName];
        if (_held.TryGetValue(type, out var ofType) && Encoding.UTF8.TryGetChars(name, characters, out var length)
            && ofType.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(characters[..length], out var key, out var usual))
        {
            text = key;
            return usual;
        }

        text = Encoding.UTF8.GetString(name);
        return ofType?.GetValueOrDefault(text);
    }

    private Dictionary<string, Held> HeldOf(string type)
    {
        if (!_held.TryGetValue(type, out var held))
        {
            _held[type] = held = new(StringComparer.Ordinal);
        }

        return held;
    }

    private object? Read(string type, string name, ReadOnlySpan<byte> bytes, object? before, Problems problems)
    {
        switch (type)
        {
            case EnvoyTypes.Cluster:
                var cluster = ClusterReader.Read(bytes, problems);
                ResourceNames.Same(name, cluster?.Name ?? name);
                // Of Envoy's own clusters two say who may be at the ends of tunnels to other networks.
                return cluster ?? (object?)NetworkTunnel.Of(MeshSecrets.OfNetworkTunnel(name, bytes, problems));
            case EnvoyTypes.Assignment:
                var assignment = AssignmentReader.Read(bytes, before as EnvoyAssignment, problems);
                ResourceNames.Same(name, assignment.Name);
                return assignment;
            case EnvoyTypes.Listener:
                return _listeners.Read(name, bytes, problems);
            case EnvoyTypes.Routes:
                return RouteTables.ReadNamed(name, bytes, problems);
            case EnvoyTypes.Extension:
                return EnvoyExtension.Read(name, bytes, problems);
            default:
                return EnvoySecret.Read(name, bytes, problems);
        }
    }

    private void Set(string type, string name, object? model)
    {
        _changes++;
        switch (type)
        {
            case EnvoyTypes.Cluster:
                _mesh.SetCluster(name, model as EnvoyCluster);
                _mesh.SetNetworkTunnel(name, (model as NetworkTunnel)?.Domains);
                break;
            case EnvoyTypes.Assignment:
                _mesh.SetAssignment(name, (EnvoyAssignment?)model);
                break;
            case EnvoyTypes.Listener:
                _mesh.SetListener(name, (EnvoyListener?)model);
                break;
            case EnvoyTypes.Routes:
                _mesh.SetRoutes(name, (RouteTable?)model);
                break;
            case EnvoyTypes.Extension:
                _mesh.SetExtension(name, (EnvoyExtension?)model);
                break;
            case EnvoyTypes.Secret:
                _mesh.SetSecret(name, (EnvoySecret?)model);
                break;
        }
    }

    private void Remove(string type, string name)
    {
        HeldOf(type).Remove(name);
        _received?.Drop(type, name);
        switch (type)
        {
            case EnvoyTypes.Listener:
                _listeners.Forget(name);
                break;
            case EnvoyTypes.Workload:
                _workloads.Remove(name);
                _mesh.RemoveWorkload(name);
                return;
        }

        Set(type, name, null);
    }

    /// <summary>What is to be watched after a response. Names that nobody wants any more are let go, and what came for them with them.</summary>
    private IEnumerable<DeltaDiscoveryRequest> Further(string type)
    {
        if (type == EnvoyTypes.Cluster && Watch(EnvoyTypes.Assignment, _mesh.WantedAssignments) is { } endpoints)
        {
            yield return endpoints;
        }

        // Listeners lead to clusters, so these and their endpoints are asked for first.
        if (!_asksForListeners && (type == EnvoyTypes.Assignment || (type == EnvoyTypes.Cluster && _watched[EnvoyTypes.Assignment].Names.Count == 0)))
        {
            _asksForListeners = true;
            yield return Everything(EnvoyTypes.Listener, null);
        }

        if (type is EnvoyTypes.Cluster or EnvoyTypes.Listener)
        {
            if (Watch(EnvoyTypes.Routes, _mesh.WantedRoutes) is { } routes)
            {
                yield return routes;
            }

            if (Watch(EnvoyTypes.Extension, _mesh.WantedExtensions) is { } extensions)
            {
                yield return extensions;
            }

            if (Watch(EnvoyTypes.Secret, _mesh.WantedSecrets) is { } secrets)
            {
                yield return secrets;
            }
        }
    }

    private DeltaDiscoveryRequest? Watch(string type, IEnumerable<string> wanted)
    {
        var isWatched = _watched.TryGetValue(type, out var watched);
        if (isWatched && watched.Changes == _changes)
        {
            return null;
        }

        var changes = _changes;
        var now = wanted.ToHashSet(StringComparer.Ordinal);
        var before = isWatched ? watched.Names : [];
        var (more, less) = (now.Except(before).Order(StringComparer.Ordinal).ToArray(), before.Except(now).Order(StringComparer.Ordinal).ToArray());
        foreach (var name in HeldOf(type).Keys.Where(name => !now.Contains(name)).ToArray())
        {
            Remove(type, name);
        }

        _watched[type] = (now, changes);
        _received?.Watch(type, now);
        return more.Length + less.Length == 0 ? null : new DeltaDiscoveryRequest { TypeUrl = type, ResourceNamesSubscribe = { more }, ResourceNamesUnsubscribe = { less } };
    }

    /// <summary>The first request of a type of which everything is wanted. What is held is named, so that it is told what of it is gone.</summary>
    private DeltaDiscoveryRequest Everything(string type, Protos.Discovery.Node? node)
    {
        var request = new DeltaDiscoveryRequest { TypeUrl = type, ResourceNamesSubscribe = { "*" } };
        if (node is not null)
        {
            request.Node = node;
        }

        foreach (var name in HeldOf(type).Keys)
        {
            request.InitialResourceVersions[name] = "";
        }

        return request;
    }

    /// <summary>What is said of the resources of a type.</summary>
    private (List<string> Blocked, List<string> PassedOver) Said(string type)
    {
        var (blocked, notes) = (new List<string>(), new List<string>());
        foreach (var (_, held) in HeldOf(type))
        {
            blocked.AddRange(held.Problems.Blocked.AsSpan());
            notes.AddRange(held.Problems.PassedOver.AsSpan());
        }

        return (blocked, notes);
    }

    /// <summary>Says what was not said before.</summary>
    private void Log(string[] problems, List<string> notes)
    {
        foreach (var problem in problems.Where(problem => !_said.Contains(problem)))
        {
            EnvoyLog.NotUnderstood(_logger, problem);
        }

        foreach (var note in notes.Where(note => !_said.Contains(note)))
        {
            EnvoyLog.PassedOver(_logger, note);
        }

        if (problems.Length + notes.Count > 0 || _said.Count > 0)
        {
            _said = [.. _held.Keys.Select(Said).SelectMany(static said => said.Blocked.Concat(said.PassedOver)), .. problems];
        }
    }

    /// <summary>Whose members may be at the ends of a tunnel to other networks.</summary>
    private sealed record NetworkTunnel(ImmutableArray<TrustDomain> Domains)
    {
        public static NetworkTunnel? Of(ImmutableArray<TrustDomain>? domains) => domains is { } said ? new NetworkTunnel(said) : null;

        public bool Equals(NetworkTunnel? other) => other is not null && Domains.AsSpan().SequenceEqual(other.Domains.AsSpan());

        public override int GetHashCode() => Domains.Length;
    }

    /// <summary>What is held under a name. One object for as long as it says the same: a new one for each repeat would be garbage that only a full collection takes.</summary>
    /// <param name="digest">Of the bytes that came.</param>
    /// <param name="model">What they say; null for what is of no interest.</param>
    /// <param name="problems">What of it is not understood.</param>
    private sealed class Held(UInt128 digest, object? model, PartProblems problems)
    {
        // With the last one as many as a resource has with two maps of two entries each.
        private const int OtherForms = 3;

        private UInt128[]? _others;
        private int _next;

        /// <summary>Of the bytes that came last.</summary>
        public UInt128 Digest { get; private set; } = digest;

        public object? Model => model;

        public PartProblems Problems => problems;

        /// <summary>Whether other bytes are known to say this.</summary>
        public bool HadForm(UInt128 digest) => _others.AsSpan().Contains(digest);

        /// <summary>The same came in other bytes.</summary>
        public void Came(UInt128 digest)
        {
            _others ??= new UInt128[OtherForms];
            var place = _others.AsSpan().IndexOf(digest);
            if (place < 0)
            {
                (place, _next) = (_next, (_next + 1) % OtherForms);
            }

            (_others[place], Digest) = (Digest, digest);
        }
    }

    /// <summary>A resource of a response that is to be applied.</summary>
    /// <param name="Digest">Of its bytes.</param>
    /// <param name="Model">What it says; null: it is of no interest.</param>
    /// <param name="Problems">What of it is not understood.</param>
    /// <param name="Bytes">Its bytes, where they are kept.</param>
    private sealed record EnvoyResource(UInt128 Digest, object? Model, PartProblems Problems, ReadOnlyMemory<byte> Bytes);
}
