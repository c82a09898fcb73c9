using System.Security.Cryptography;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Ambient.Node.Discovery.Xds.Envoy.Telemetry;

/// <summary>
/// Reads what is logged, counted and traced of chains, and remembers it: a waypoint's chains nearly all say the same of it, in more than half of their
/// bytes. Chains that say the same have one instance of it, and what was compiled of that. Used by one thread at a time.
/// </summary>
internal sealed class ChainTelemetryReader
{
    // As much as any mesh says differently; past it nothing is lost but what was remembered.
    private const int MostKept = 1024;

    private readonly Dictionary<UInt128, (TrafficTelemetry? Telemetry, PartProblems Problems)> _read = [];
    private readonly Dictionary<TrafficTelemetry, TrafficTelemetry> _instances = [];

    /// <summary>Reads it; null: it cannot be read, and the defaults hold.</summary>
    public TrafficTelemetry? Read(ChainTelemetry wire, Problems problems)
    {
        var digest = wire.Digest();
        if (!_read.TryGetValue(digest, out var read))
        {
            var own = new Problems();
            var telemetry = ReadAnew(wire, own);
            if (_read.Count >= MostKept)
            {
                _read.Clear();
                _instances.Clear();
            }

            if (telemetry is not null && !_instances.TryAdd(telemetry, telemetry))
            {
                telemetry = _instances[telemetry];
            }

            _read[digest] = read = (telemetry, own.ToPart());
        }

        problems.Add(read.Problems);
        return read.Telemetry;
    }

    private static TrafficTelemetry? ReadAnew(ChainTelemetry wire, Problems problems)
    {
        try
        {
            return new TrafficTelemetry
            {
                Logs = AccessLogReader.Read(wire.Logs, problems),
                Metrics = wire.Stats is { } stats ? StatsReader.Read(stats, wire.IsWaypoint, problems) : StatsReader.None,
                Tracing = wire.Tracing.IsEmpty ? null : TracingReader.Read(wire.Tracing, wire.RequestId, problems),
            };
        }
        catch (Exception e) when (Faults.IsOfBytes(e))
        {
            // It lets nobody in and keeps nobody out.
            problems.NoteIf(true, "telemetry", $"it cannot be read, and the defaults hold: {e.Message}");
            return null;
        }
    }
}

/// <summary>The bytes of a chain that say what is logged, counted and traced, gathered while its filters are read.</summary>
/// <param name="isWaypoint">Whether it is a waypoint's.</param>
internal sealed class ChainTelemetry(bool isWaypoint)
{
    /// <summary>Whether it is a waypoint's.</summary>
    public bool IsWaypoint => isWaypoint;

    /// <summary>Its logs.</summary>
    public RepeatedField<ByteString> Logs { get; set; } = [];

    /// <summary>How it is traced; empty: not at all.</summary>
    public ByteString Tracing { get; set; } = ByteString.Empty;

    /// <summary>What is said of ids of requests; empty: nothing.</summary>
    public ByteString RequestId { get; set; } = ByteString.Empty;

    /// <summary>What is changed of metrics; null: there are none.</summary>
    public ByteString? Stats { get; set; }

    /// <summary>What tells it apart.</summary>
    public UInt128 Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var log in Logs)
        {
            Add(hash, log);
        }

        // How many logs there are is the last of it, and so ends them.
        Add(hash, Tracing);
        Add(hash, RequestId);
        Add(hash, Stats);
        hash.AppendData(BitConverter.GetBytes((Logs.Count * 2) + (isWaypoint ? 1 : 0)));
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(digest);
        return BitConverter.ToUInt128(digest);
    }

    private static void Add(IncrementalHash hash, ByteString? bytes)
    {
        hash.AppendData(BitConverter.GetBytes(bytes?.Length ?? -1));
        hash.AppendData(bytes is null ? [] : bytes.Span);
    }
}
