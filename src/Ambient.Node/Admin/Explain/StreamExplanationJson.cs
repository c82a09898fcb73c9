using System.Text.Json;

namespace Ambient.Node.Admin.Explain;

/// <summary>An explanation of a connection at a waypoint or gateway for a tool.</summary>
internal static class StreamExplanationJson
{
    /// <summary>Writes it as the value of what <paramref name="json"/> stands at.</summary>
    public static void Write(Utf8JsonWriter json, StreamExplanation explanation)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(explanation);
        json.WriteStartObject();
        json.WriteString("gateway", explanation.Gateway);
        json.WriteString("identity", explanation.Identity?.ToString());
        json.WriteString("source", explanation.Source.ToString());
        json.WriteString("destination", explanation.Destination.ToString());
        json.WriteString("serverName", explanation.ServerName);
        json.WriteStartArray("listeners");
        foreach (var listener in explanation.Listeners)
        {
            json.WriteStartObject();
            json.WriteString("name", listener.Name);
            json.WriteString("protocol", listener.Protocol);
            json.WriteString("hostname", listener.Hostname);
            json.WriteString("excluded", listener.Objection);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        RequestExplanationJson.Write(json, explanation.Policies, explanation.Decision);
        json.WriteStartArray("routes");
        foreach (var explained in explanation.Decision.IsAllowed ? explanation.Routes : [])
        {
            json.WriteStartObject();
            json.WriteNumber("share", explained.Share);
            json.WriteString("route", explained.Route.Route);
            json.WriteString("backend", explained.Route.Service?.Key);
            ExplanationJson.Number(json, "port", explained.Route.Service is null ? null : explained.Port);
            json.WriteString("subset", explained.Route.Subset);
            json.WriteString("error", explained.Route.Error);
            RequestExplanationJson.Write(json, explained.Endpoints);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
