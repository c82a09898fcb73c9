using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>What a mesh says of telemetry as a whole: Istio's MeshConfig, as far as it is acted on.</summary>
public sealed record MeshTelemetry
{
    /// <summary>Nothing said.</summary>
    public static MeshTelemetry None { get; } = new();

    /// <summary>Form of the access log (<c>accessLogFile</c>, <c>accessLogFormat</c>, <c>accessLogEncoding</c>); null: our own.</summary>
    public AccessLogFormat? AccessLog { get; init; }

    /// <summary>Percent of traces that are recorded (<c>defaultConfig.tracing.sampling</c>), 0 to 100; null: 1.</summary>
    public double? Sampling { get; init; }

    /// <summary>Where telemetry goes (<c>extensionProviders</c>), those that are acted on.</summary>
    public ImmutableArray<TelemetryProvider> Providers { get; init; } = [];

    /// <summary>Providers of traces where no Telemetry names any (<c>defaultProviders.tracing</c>).</summary>
    public ImmutableArray<string> TracingProviders { get; init; } = [];

    /// <summary>Providers of the access log where no Telemetry names any (<c>defaultProviders.accessLogging</c>).</summary>
    public ImmutableArray<string> AccessLogProviders { get; init; } = [];

    /// <summary>Finds a provider; null: there is none of that name that is acted on.</summary>
    /// <param name="name">Its name.</param>
    public TelemetryProvider? Find(string name) => Providers.FirstOrDefault(provider => provider.Name == name);

    /// <summary>What this says, and where it says nothing, what <paramref name="other"/> does; the providers of both.</summary>
    /// <param name="other">What is said more generally.</param>
    public MeshTelemetry Over(MeshTelemetry other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return other.Equals(None) ? this : new MeshTelemetry
        {
            AccessLog = AccessLog ?? other.AccessLog,
            Sampling = Sampling ?? other.Sampling,
            Providers = [.. Providers, .. other.Providers.Where(provider => Find(provider.Name) is null)],
            TracingProviders = TracingProviders.IsEmpty ? other.TracingProviders : TracingProviders,
            AccessLogProviders = AccessLogProviders.IsEmpty ? other.AccessLogProviders : AccessLogProviders,
        };
    }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(MeshTelemetry? other) =>
        ReferenceEquals(this, other)
        || (other is not null && AccessLog == other.AccessLog && Sampling == other.Sampling
            && StructuralEquality.Same(Providers, other.Providers)
            && StructuralEquality.Same(TracingProviders, other.TracingProviders)
            && StructuralEquality.Same(AccessLogProviders, other.AccessLogProviders));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(AccessLog, Sampling, Providers.Length, TracingProviders.Length);
}

/// <summary>Form of an access log's lines, as Envoy writes them.</summary>
/// <param name="IsJson">Whether a line is a JSON object rather than text.</param>
/// <param name="Format">Text with Envoy's <c>%COMMAND%</c> operators, or a JSON object of such texts; null: Istio's default.</param>
public sealed record AccessLogFormat(bool IsJson, string? Format)
{
    /// <summary>Whether an object leaves out what has no value, and a text has nothing in its place, where else there is a hyphen or null.</summary>
    public bool OmitsEmptyValues { get; init; }
}

/// <summary>Somewhere that telemetry goes: one of MeshConfig's <c>extensionProviders</c>.</summary>
public sealed record TelemetryProvider
{
    /// <summary>Name, by which Telemetry objects refer to it.</summary>
    public required string Name { get; init; }

    /// <summary>Where spans are sent; null where it takes none. The path of OTLP over HTTP, and of Zipkin, is part of it.</summary>
    public Uri? Collector { get; init; }

    /// <summary>Whether spans are sent by gRPC rather than HTTP.</summary>
    public bool IsGrpc { get; init; } = true;

    /// <summary>Whether spans are sent as Zipkin's JSON rather than by OTLP.</summary>
    public bool IsZipkin { get; init; }

    /// <summary>Whether attributes in the variable <c>OTEL_RESOURCE_ATTRIBUTES</c> go with spans.</summary>
    public bool ReadsEnvironment { get; init; }

    /// <summary>Headers that go with spans.</summary>
    public ImmutableDictionary<string, string> Headers { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>How long the collector may take to answer. Default 10 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Most characters of a path in a span's tags. Default 256.</summary>
    public int MaxTagLength { get; init; } = 256;

    /// <summary>Form of the access log that it writes to standard output; null where it writes none.</summary>
    public AccessLogFormat? AccessLog { get; init; }

    /// <summary>Where it sends the access log as records; null where it sends none.</summary>
    public AccessLogCollector? AccessLogCollector { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TelemetryProvider? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Name == other.Name && Collector == other.Collector && IsGrpc == other.IsGrpc && Timeout == other.Timeout
            && IsZipkin == other.IsZipkin && ReadsEnvironment == other.ReadsEnvironment && MaxTagLength == other.MaxTagLength && AccessLog == other.AccessLog
            && AccessLogCollector == other.AccessLogCollector && StructuralEquality.Same(Headers, other.Headers));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Collector, IsGrpc);
}
