using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Hosting.Variables;

/// <summary>
/// Where spans are sent that no MeshConfig names a provider for: the variables that OpenTelemetry's own programs read
/// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
/// </summary>
internal static class TracingVariables
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Reads them; what is wrong is left in <paramref name="variables"/>.</summary>
    public static MeshTelemetry Read(VariableReader variables)
    {
        ArgumentNullException.ThrowIfNull(variables);
        var text = variables.OptionalText(Endpoint, "collector of OpenTelemetry that spans of waypoints and gateways are sent to where no provider is configured, for example http://127.0.0.1:4318");
        var isGrpc = variables.Choice("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "how they are sent", ("grpc", true), ("http/protobuf", false));
        var headers = variables.OptionalText("OTEL_EXPORTER_OTLP_HEADERS", "headers that go with them: name=value,name=value");
        if (text is null)
        {
            return MeshTelemetry.None;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || address is not { Scheme: "http" or "https", Host.Length: > 0 })
        {
            variables.Fail($"{Endpoint}: \"{text}\" is not a URL; expected http://HOST:PORT");
            return MeshTelemetry.None;
        }

        var read = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var header in (headers ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (header.Split('=', 2) is [{ Length: > 0 } name, var value])
            {
                read[name] = Uri.UnescapeDataString(value);
            }
            else
            {
                variables.Fail($"OTEL_EXPORTER_OTLP_HEADERS: \"{header}\" is not name=value");
            }
        }

        return new MeshTelemetry
        {
            Providers = [new TelemetryProvider { Name = Endpoint, Collector = isGrpc ? address : new Uri($"{address.AbsoluteUri.TrimEnd('/')}/v1/traces"), IsGrpc = isGrpc, Headers = read.ToImmutable() }],
            TracingProviders = [Endpoint],
        };
    }
}
