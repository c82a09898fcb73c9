using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Telemetry.AccessLogs;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads what a MeshConfig says of telemetry: the form of the access log, sampling, and the providers that are acted on.</summary>
internal static class TelemetryProviderReader
{
    /// <summary>What a MeshConfig says.</summary>
    public static MeshTelemetry Read(FieldReader config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var defaults = config.ObjectOrEmpty("defaultProviders");
        return new MeshTelemetry
        {
            AccessLog = ReadAccessLog(config),
            Sampling = TelemetryReader.Percent(config.ObjectOrEmpty("defaultConfig").ObjectOrEmpty("tracing"), "sampling"),
            Providers = [.. config.Objects("extensionProviders").Select(ReadProvider).OfType<TelemetryProvider>()],
            TracingProviders = [.. defaults.Strings("tracing")],
            AccessLogProviders = [.. defaults.Strings("accessLogging")],
        };
    }

    private static AccessLogFormat? ReadAccessLog(FieldReader config)
    {
        var text = config.String("accessLogFormat") is { Length: > 0 } written ? written : null;
        var encoding = config.String("accessLogEncoding");
        return config.String("accessLogFile") is { Length: > 0 } || text is not null || encoding is not null
            ? Checked(new AccessLogFormat(encoding == "JSON", text), config, "accessLogFormat")
            : null;
    }

    private static AccessLogFormat? Checked(AccessLogFormat format, FieldReader fields, string field)
    {
        try
        {
            AccessLogTemplate.Of(format);
            return format;
        }
        catch (FormatException e)
        {
            fields.Error(field, e.Message);
            return null;
        }
    }

    private static TelemetryProvider? ReadProvider(FieldReader provider)
    {
        // That it has one is for the reader of authorizers to say, which is asked about all of them.
        var name = provider.String("name") ?? "";
        if (provider.Object("opentelemetry") is { } collector)
        {
            return ReadCollector(name, collector);
        }

        if (provider.Object("zipkin") is { } zipkin)
        {
            return ReadZipkin(name, zipkin);
        }

        if (provider.Object("envoyOtelAls") is { } records)
        {
            return ReadRecords(name, records);
        }

        return provider.Object("envoyFileAccessLog") is { } log ? ReadLog(name, log) : null;
    }

    private static TelemetryProvider ReadCollector(string name, FieldReader collector)
    {
        var http = collector.Object("http");
        var address = ReadAddress(collector, http is null ? "/" : http.String("path") is { Length: > 0 } written ? written : "/v1/traces");

        var grpc = collector.Object("grpc");
        if (grpc is not null && http is not null)
        {
            collector.Error("grpc", "not allowed together with http");
        }

        return new TelemetryProvider
        {
            Name = name,
            Collector = address,
            IsGrpc = http is null,
            Headers = ReadHeaders(http?.Objects("headers") ?? grpc?.Objects("initialMetadata") ?? []),
            Timeout = (http ?? grpc) is { } sender && Durations.Read(sender, "timeout") is { } timeout && timeout > TimeSpan.Zero ? timeout : TimeSpan.FromSeconds(10),
            MaxTagLength = collector.Integer("maxTagLength", 1, 65536) ?? 256,
            ReadsEnvironment = collector.ObjectOrEmpty("resourceDetectors").Has("environment"),
        };
    }

    private static TelemetryProvider ReadZipkin(string name, FieldReader zipkin) => new()
    {
        Name = name,
        Collector = ReadAddress(zipkin, zipkin.String("path") is { Length: > 0 } path ? path : "/api/v2/spans"),
        IsGrpc = false,
        IsZipkin = true,
        Headers = ReadHeaders(zipkin.Objects("headers")),
        Timeout = Durations.Read(zipkin, "timeout") is { } timeout && timeout > TimeSpan.Zero ? timeout : TimeSpan.FromSeconds(5),
        MaxTagLength = zipkin.Integer("maxTagLength", 1, 65536) ?? 256,
    };

    private static TelemetryProvider ReadRecords(string name, FieldReader collector)
    {
        var form = collector.ObjectOrEmpty("logFormat");
        var text = form.String("text") is { Length: > 0 } written ? written : null;
        var labels = form.StringMap("labels").Select(static label => KeyValuePair.Create(label.Key, label.Value)).ToImmutableArray();
        _ = text is null ? null : Checked(new AccessLogFormat(false, text), form, "text");
        foreach (var label in labels)
        {
            Checked(new AccessLogFormat(false, label.Value), form, "labels");
        }

        return new TelemetryProvider
        {
            Name = name,
            AccessLogCollector = ReadAddress(collector, "/") is { } address
                ? new AccessLogCollector { Name = name, Address = address, Body = text ?? (labels.IsEmpty ? AccessLogTemplate.DefaultText : null), Attributes = labels }
                : null,
        };
    }

    private static Uri? ReadAddress(FieldReader collector, string path)
    {
        // A namespace before a slash says where the name is looked up; names of services are whole here.
        var service = collector.RequiredString("service");
        var host = service[(service.IndexOf('/', StringComparison.Ordinal) + 1)..];
        var port = collector.RequiredInteger("port", 1, 65535);
        Uri? address = null;
        if (service.Length > 0 && (Uri.CheckHostName(host) == UriHostNameType.Unknown || !Uri.TryCreate($"http://{host}:{port}{path}", UriKind.Absolute, out address)))
        {
            collector.Error("service", $"\"{service}\" is not the host name of a service, or its path is not valid");
        }

        return address;
    }

    private static ImmutableDictionary<string, string> ReadHeaders(IEnumerable<FieldReader> headers)
    {
        var read = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var header in headers)
        {
            var (name, value) = (header.RequiredString("name"), header.String("value") ?? "");
            if (!name.All(HttpSyntax.IsToken) || value.Any(char.IsControl))
            {
                header.Error("name", $"\"{name}\" is not a header, or its value has characters that no header may have");
            }

            read[name] = value;
        }

        return read.ToImmutable();
    }

    private static TelemetryProvider? ReadLog(string name, FieldReader log)
    {
        if (log.String("path") is { Length: > 0 } path and not ("/dev/stdout" or "/dev/stderr"))
        {
            log.Error("path", $"\"{path}\" is not supported; the access log goes where the log goes: expected /dev/stdout");
        }

        var form = log.Object("logFormat");
        var format = form?.Object("labels") is { } labels
            ? Checked(new AccessLogFormat(true, labels.IsEmpty ? null : Json(form)), form, "labels")
            : Checked(new AccessLogFormat(false, form?.String("text") is { Length: > 0 } text ? text : null), form ?? log, form is null ? "" : "text");
        return format is null ? null : new TelemetryProvider { Name = name, AccessLog = format with { OmitsEmptyValues = log.Boolean("omitEmptyValues") ?? false } };
    }

    /// <summary>The labels as the object that they stand for.</summary>
    private static string Json(FieldReader form)
    {
        var json = new StringBuilder("{");
        foreach (var (key, value) in form.StringMap("labels"))
        {
            json.Append(json.Length > 1 ? "," : "").Append('"').Append(JsonEncodedText.Encode(key)).Append("\":\"").Append(JsonEncodedText.Encode(value)).Append('"');
        }

        return json.Append('}').ToString();
    }
}
