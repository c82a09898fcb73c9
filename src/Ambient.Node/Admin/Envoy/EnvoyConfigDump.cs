using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Node.Admin.Server;

namespace Ambient.Node.Admin.Envoy;

/// <summary>
/// <c>/config_dump</c> in Envoy's form (<c>envoy.admin.v3.ConfigDump</c>): what istiod sent and is in use. <c>mask</c> takes names of sections' fields,
/// <c>resource</c> one of them, <c>name_regex</c> names of resources, and <c>include_eds</c> adds endpoints.
/// </summary>
internal sealed class EnvoyConfigDump(EnvoyHost host)
{
    private const string Package = "type.googleapis.com/envoy.admin.v3.";
    private const int FlushAt = 64 * 1024;

    private static readonly JsonWriterOptions s_format = new() { Indented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers a request.</summary>
    public AdminResponse Answer(AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        Regex? names = null;
        if (request.Parameter("name_regex") is { Length: > 0 } pattern)
        {
            try
            {
                // Taken from an operator, matched without going back.
                names = new Regex($"^(?:{pattern})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                return AdminResponse.Text(400, $"Error while parsing name_regex from {pattern}: {e.Message}\n");
            }
        }

        string[] mask = [.. (request.Parameter("mask") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
        var sections = DumpSections.Of(host, withEndpoints: request.Parameter("include_eds") is not null);
        if (request.Parameter("resource") is not { Length: > 0 } resource)
        {
            return AdminResponse.Streamed("application/json", (output, cancellationToken) => WriteAsync(output, sections, mask, names, cancellationToken), compressible: true);
        }

        var found = sections.SelectMany(section => section.Parts.Select(part => (Section: section, Part: part))).FirstOrDefault(entry => entry.Part.Field == resource);
        return found.Part is null ? AdminResponse.Text(404, $"{resource} not found in config dump\n")
            : found.Part.Element is null ? AdminResponse.Text(400, $"{resource} is not a repeated field. Use ?mask={resource} to get only this field\n")
            : mask.Length > 0 ? AdminResponse.Text(400, "mask and resource are not supported together\n")
            : AdminResponse.Streamed("application/json", (output, cancellationToken) => WriteAsync(output, found.Section, found.Part, names, cancellationToken), compressible: true);
    }

    private static async ValueTask WriteAsync(Stream output, IReadOnlyList<DumpSection> sections, string[] mask, Regex? names, CancellationToken cancellationToken)
    {
        var json = new Utf8JsonWriter(output, s_format);
        await using (json.ConfigureAwait(false))
        {
            json.WriteStartObject();
            json.WriteStartArray("configs");
            foreach (var section in sections)
            {
                var parts = section.Parts.Where(part => mask.Length == 0 || Array.Exists(mask, path => path == part.Field || path.StartsWith(part.Field + ".", StringComparison.Ordinal))).ToArray();
                if (mask.Length > 0 && parts.Length == 0)
                {
                    continue;
                }

                json.WriteStartObject();
                json.WriteString("@type", Package + section.Type);
                if (mask.Length == 0 && section.Version is { Length: > 0 } version)
                {
                    json.WriteString("version_info", version);
                }

                foreach (var part in parts)
                {
                    await WriteAsync(json, part, names, cancellationToken).ConfigureAwait(false);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
            await json.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask WriteAsync(Utf8JsonWriter json, DumpPart part, Regex? names, CancellationToken cancellationToken)
    {
        var items = part.Items.Where(item => names is null || names.IsMatch(item.Name)).ToArray();
        if (items.Length == 0)
        {
            return;
        }

        if (part.Element is null)
        {
            json.WriteStartObject(part.Field);
            items[0].Write(json);
            json.WriteEndObject();
            return;
        }

        json.WriteStartArray(part.Field);
        foreach (var item in items)
        {
            json.WriteStartObject();
            item.Write(json);
            json.WriteEndObject();
            if (json.BytesPending > FlushAt)
            {
                await json.FlushAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        json.WriteEndArray();
    }

    private static async ValueTask WriteAsync(Stream output, DumpSection section, DumpPart part, Regex? names, CancellationToken cancellationToken)
    {
        var json = new Utf8JsonWriter(output, s_format);
        await using (json.ConfigureAwait(false))
        {
            json.WriteStartObject();
            json.WriteStartArray("configs");
            foreach (var item in part.Items.Where(item => names is null || names.IsMatch(item.Name)))
            {
                json.WriteStartObject();
                json.WriteString("@type", $"{Package}{section.Type}.{part.Element}");
                item.Write(json);
                json.WriteEndObject();
                if (json.BytesPending > FlushAt)
                {
                    await json.FlushAsync(cancellationToken).ConfigureAwait(false);
                }
            }

            json.WriteEndArray();
            json.WriteEndObject();
            await json.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
