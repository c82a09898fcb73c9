using System.Text.Json;
using Ambient.Mesh;

namespace Ambient.Node.Admin.Dumps;

/// <summary>What the configuration contains and nothing acts on, as part of <c>/config_dump</c>.</summary>
internal static class UnsupportedDump
{
    /// <summary>Writes the property <c>notSupported</c>: each kind and field once, with the count and the first object.</summary>
    public static void Write(Utf8JsonWriter json, RequestConfiguration configuration)
    {
        json.WriteStartArray("notSupported");
        foreach (var use in configuration.Unsupported)
        {
            json.WriteStartObject();
            json.WriteString("kind", use.Kind);
            if (use.Field.Length > 0)
            {
                json.WriteString("field", use.Field);
            }

            json.WriteNumber("count", use.Count);
            json.WriteString("first", use.FirstObject);
            json.WriteString("place", use.FirstPlace);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
