using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Admin.Explain;

/// <summary>An explanation for a tool.</summary>
internal static class ExplanationJson
{
    private static readonly JsonWriterOptions s_format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The document.</summary>
    public static ReadOnlyMemory<byte> Write(Explanation explanation)
    {
        ArgumentNullException.ThrowIfNull(explanation);
        var buffer = new ArrayBufferWriter<byte>(4096);
        using var json = new Utf8JsonWriter(buffer, s_format);
        json.WriteStartObject();
        var (source, destination, name) = explanation.Question;
        json.WriteStartObject("source");
        json.WriteString("workload", source.Uid);
        json.WriteString("identity", source.Identity.ToString());
        json.WriteEndObject();
        json.WriteStartObject("destination");
        json.WriteString("address", destination.ToString());
        json.WriteString("name", name);
        json.WriteString("service", explanation.Service?.Key);
        json.WriteString("workload", explanation.Workload?.Uid);
        json.WriteEndObject();
        json.WriteNumber("snapshot", explanation.Version);
        json.WriteStartArray("endpoints");
        foreach (var candidate in explanation.Candidates)
        {
            json.WriteStartObject();
            json.WriteString("workload", candidate.Workload.Uid);
            Number(json, "port", candidate.Port);
            json.WriteNumber("rank", candidate.Rank);
            json.WriteNumber("capacity", candidate.Workload.Capacity);
            json.WriteString("excluded", candidate.Excluded);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("outcomes");
        foreach (var outcome in explanation.Outcomes)
        {
            Write(json, outcome);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private static void Write(Utf8JsonWriter json, ExplainedOutcome outcome)
    {
        var route = outcome.Route;
        json.WriteStartObject();
        json.WriteNumber("share", Math.Round(outcome.Share, 3));
        json.WriteString("error", route.Error);
        if (route.Error is null)
        {
            json.WriteString("protocol", route.Protocol switch { ConnectionProtocol.Tcp => "TCP", ConnectionProtocol.Hbone => "HBONE", _ => "DOUBLEHBONE" });
            json.WriteString("nextHop", route.NextHop!.ToString());
            json.WriteString("nextHopWorkload", route.NextHopWorkload?.Uid);
            json.WriteString("tunnelTarget", route.Authority);
            json.WriteBoolean("viaWaypoint", route.ViaWaypoint);
            json.WriteString("service", route.Service?.Key);
            json.WriteString("presentedIdentity", outcome.Presented?.ToString());
            json.WriteStartArray("acceptedIdentities");
            foreach (var identity in route.AcceptedIdentities)
            {
                json.WriteStringValue(identity.ToString());
            }

            json.WriteEndArray();
        }

        if (outcome.Delivery is { } facts && outcome.Decision is { } decision)
        {
            json.WriteStartObject("authorization");
            json.WriteString("source", facts.Source.Address.ToString());
            json.WriteString("destination", facts.Destination.ToString());
            json.WriteString("identity", facts.Identity?.ToString());
            json.WriteBoolean("allowed", decision.IsAllowed);
            json.WriteString("reason", decision.ToString());
            json.WriteStartArray("policies");
            foreach (var (policy, rule, missed) in outcome.Policies)
            {
                json.WriteStartObject();
                json.WriteString("policy", policy.Key);
                json.WriteString("action", policy.Action == PolicyAction.Deny ? "DENY" : "ALLOW");
                json.WriteBoolean("dryRun", policy.DryRun);
                Number(json, "matchedRule", rule);
                json.WriteString("missed", missed);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("unknownPolicies");
            foreach (var unknown in outcome.UnknownPolicies)
            {
                json.WriteStringValue(unknown);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    /// <summary>Writes a number, or null.</summary>
    internal static void Number(Utf8JsonWriter json, string name, int? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
