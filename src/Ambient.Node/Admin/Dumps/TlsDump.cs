using System.Text.Json;
using Ambient.Hbone;

namespace Ambient.Node.Admin.Dumps;

/// <summary>Who does the TLS of this process, as part of <c>/config_dump</c>.</summary>
internal static class TlsDump
{
    /// <summary>Writes the property <c>tls</c>: the engine with OpenSSL's version, and what could be done to make it faster, where there is something.</summary>
    public static void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("tls");
        if (HboneTls.Advice is { } advice)
        {
            json.WriteString("advice", advice);
        }

        json.WriteString("engine", HboneTls.Description);
        json.WriteEndObject();
    }
}
