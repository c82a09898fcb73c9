using System.Runtime.InteropServices;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Received;

/// <summary>
/// What an Envoy would have been configured with, as it came and as far as it is in use, for the admin endpoint. Written by the source, read by whoever
/// asks. Its size is that of what the control plane sends. Private keys are not in it.
/// </summary>
/// <param name="node">Who we are, as the control plane is told: a message <c>envoy.config.core.v3.Node</c>.</param>
/// <param name="time">Clock.</param>
internal sealed class ReceivedConfiguration(ByteString node, TimeProvider time)
{
    private static readonly MessageParser<Secret> s_known = Secret.Parser.WithDiscardUnknownFields(true);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Kept> _types = new(StringComparer.Ordinal);

    /// <summary>Who we are, as the control plane is told.</summary>
    public ByteString Node { get; } = node;

    /// <summary>What was received of a type.</summary>
    public ReceivedType Of(string type)
    {
        lock (_lock)
        {
            return !_types.TryGetValue(type, out var kept) ? ReceivedType.None : new ReceivedType(
                kept.Version,
                [.. kept.Resources.Values.Select(static resource => resource.Show()).OrderBy(static resource => resource.Name, StringComparer.Ordinal)],
                [.. kept.Watched.Where(name => !kept.Resources.ContainsKey(name)).Order(StringComparer.Ordinal)],
                kept.Accepted,
                kept.Refused,
                kept.At);
        }
    }

    /// <summary>A resource came and is in use.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="name">Its name.</param>
    /// <param name="bytes">The message.</param>
    /// <param name="version">Version that it came with.</param>
    /// <param name="faults">What of it is not understood.</param>
    public void Keep(string type, string name, ReadOnlyMemory<byte> bytes, string version, IReadOnlyCollection<string> faults)
    {
        ArgumentNullException.ThrowIfNull(faults);
        var shown = type == EnvoyTypes.Secret ? WithoutKey(bytes.Span) : UnsafeByteOperations.UnsafeWrap(bytes);
        lock (_lock)
        {
            Get_NeedsLock(type).Resources[name] = new Resource(new ReceivedResource(name, shown, version, time.GetUtcNow(), faults.Count == 0 ? null : string.Join("; ", faults)));
        }
    }

    /// <summary>What is in use came again in other bytes. Usually there are as many as before, and they take their place: of what is repeated nothing is left to collect.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="name">Its name.</param>
    /// <param name="bytes">The message.</param>
    public void Replace(string type, string name, ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            // Of a secret, what is left out of it has not changed either.
            if (type != EnvoyTypes.Secret && Get_NeedsLock(type).Resources.TryGetValue(name, out var before))
            {
                before.Replace(bytes);
            }
        }
    }

    /// <summary>A resource came and is not used: what was there before stays.</summary>
    public void Refuse(string type, string name, string reason)
    {
        lock (_lock)
        {
            if (Get_NeedsLock(type).Resources is var resources && resources.TryGetValue(name, out var before))
            {
                before.Value = before.Value with { Fault = $"a later one was refused: {reason}" };
            }
        }
    }

    /// <summary>A resource is gone.</summary>
    public void Drop(string type, string name)
    {
        lock (_lock)
        {
            Get_NeedsLock(type).Resources.Remove(name);
        }
    }

    /// <summary>Resources of a type are asked for by name.</summary>
    public void Watch(string type, IReadOnlySet<string> names)
    {
        lock (_lock)
        {
            Get_NeedsLock(type).Watched = names;
        }
    }

    /// <summary>A response was taken, or something of it refused.</summary>
    public void Answered(string type, string version, bool isAccepted)
    {
        lock (_lock)
        {
            var kept = Get_NeedsLock(type);
            (kept.Version, kept.At) = (version, time.GetUtcNow());
            _ = isAccepted ? kept.Accepted++ : kept.Refused++;
        }
    }

    /// <summary>What is not known of a secret may be one.</summary>
    private static ByteString WithoutKey(ReadOnlySpan<byte> bytes)
    {
        var secret = s_known.ParseFrom(bytes);
        if (secret.TlsCertificate is { PrivateKey: not null } certificate)
        {
            certificate.PrivateKey = new DataSource { InlineBytes = ByteString.CopyFromUtf8("[redacted]") };
        }

        return secret.ToByteString();
    }

    private Kept Get_NeedsLock(string type)
    {
        if (!_types.TryGetValue(type, out var kept))
        {
            _types[type] = kept = new Kept();
        }

        return kept;
    }

    private sealed class Resource(ReceivedResource value)
    {
        // Whoever was shown the bytes may still read them.
        private bool _isShown;

        public ReceivedResource Value { get; set; } = value;

        public ReceivedResource Show()
        {
            _isShown = true;
            return Value;
        }

        public void Replace(ReadOnlySpan<byte> bytes)
        {
            if (!_isShown && bytes.Length == Value.Bytes.Length)
            {
                bytes.CopyTo(MemoryMarshal.AsMemory(Value.Bytes.Memory).Span);
                return;
            }

            Value = Value with { Bytes = ByteString.CopyFrom(bytes) };
            _isShown = false;
        }
    }

    private sealed class Kept
    {
        public Dictionary<string, Resource> Resources { get; } = new(StringComparer.Ordinal);

        public IReadOnlySet<string> Watched { get; set; } = new HashSet<string>();

        public string Version { get; set; } = "";

        public long Accepted { get; set; }

        public long Refused { get; set; }

        public DateTimeOffset? At { get; set; }
    }
}
