using System.Net;
using System.Text.Json;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Admin.Dumps;

/// <summary>The pods of a node in the configuration dump: who they are, whether they are carried, and what is open (ztunnel <c>inpod/admin.rs</c> and <c>proxy/connection_manager.rs</c>).</summary>
internal static class WorkloadStateDump
{
    /// <summary>Writes the value of <c>workloadState</c>.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<PodState> pods, IReadOnlyList<OpenConnection> connections)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(pods);
        json.WriteStartObject();
        foreach (var pod in pods)
        {
            json.WriteStartObject(pod.Uid);
            if (pod.Owner is { } owner)
            {
                var own = connections.Where(connection => ReferenceEquals(connection.Owner, owner)).Select(connection => connection.Parties).ToArray();
                json.WriteStartObject("connections");
                Write(json, "inbound", own.Where(parties => parties.Direction == TrafficDirection.Inbound), static parties => parties.SourceIdentity is null ? "TCP" : "HBONE");
                Write(json, "outbound", own.Where(parties => parties.Direction == TrafficDirection.Outbound), OutboundProtocol);
                json.WriteEndObject();
            }

            json.WriteStartObject("info");
            json.WriteString("name", pod.Info.Name);
            json.WriteString("namespace", pod.Info.Namespace);
            json.WriteString("serviceAccount", pod.Info.ServiceAccount);
            json.WriteEndObject();
            json.WriteString("state", pod.Owner is null ? "Pending" : "Up");
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, IEnumerable<ConnectionParties> connections, Func<ConnectionParties, string> protocol)
    {
        json.WriteStartArray(name);
        foreach (var parties in connections)
        {
            json.WriteStartObject();
            json.WriteString("actualDst", (parties.Upstream ?? parties.Destination).ToString());
            json.WriteString("originalDst", parties.OriginalDestination);
            json.WriteString("protocol", protocol(parties));
            json.WriteString("src", parties.Source.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Only a tunnel within a tunnel has a name as its authority.</summary>
    private static string OutboundProtocol(ConnectionParties parties) => parties.HboneAddress is not { } authority ? "TCP"
        : IPEndPoint.TryParse(authority, out _) ? "HBONE"
        : "DOUBLEHBONE";
}
