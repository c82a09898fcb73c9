using System.Buffers;
using System.Security.Cryptography.X509Certificates;
using System.Text.Encodings.Web;
using System.Text.Json;
using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Admin.Dumps;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Waypoint;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>What a waypoint or gateway serves at this moment, for a person who asks why.</summary>
internal sealed class WaypointDump(WaypointNode node, IMeshSnapshotProvider meshes, SvidCache? svids)
{
    private static readonly JsonWriterOptions s_format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The dump.</summary>
    public ReadOnlyMemory<byte> Write()
    {
        var mesh = meshes.Current;
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(buffer, s_format))
        {
            json.WriteStartObject();
            json.WriteNumber("meshVersion", mesh.Version);
            WriteGateway(json, mesh);
            WriteSelf(json);
            WriteServices(json, mesh);
            WriteNames(json, "routes", mesh.Requests.HttpRoutes.Keys);
            WriteNames(json, "tlsRoutes", mesh.Requests.TlsRoutes.Keys);
            WriteNames(json, "tcpRoutes", mesh.Requests.TcpRoutes.Keys);
            WriteBackendTls(json, mesh.Requests);
            WriteNames(json, "policies", mesh.Requests.AuthorizationPolicies.Keys);
            UnsupportedDump.Write(json, mesh.Requests);
            WriteBackends(json);
            WriteUpstreams(json);
            WriteCertificates(json);
            TlsDump.Write(json);
            json.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    private void WriteGateway(Utf8JsonWriter json, MeshSnapshot mesh)
    {
        json.WriteStartObject("gateway");
        json.WriteString("name", node.GatewayKey);
        if (mesh.Requests.Gateways.TryGetValue(node.GatewayKey, out var gateway))
        {
            json.WriteString("class", gateway.ClassName);
            json.WriteStartArray("listeners");
            foreach (var status in ListenerStatus.Of(mesh.Requests, gateway))
            {
                var (listener, problem) = status;
                json.WriteStartObject();
                json.WriteString("name", listener.Name);
                if (status.Set is { } set)
                {
                    json.WriteString(set.IsIstio ? "istioGateway" : "listenerSet", set.Key);
                }

                json.WriteNumber("port", listener.Port);
                json.WriteString("protocol", listener.Protocol);
                json.WriteString("hostname", listener.Hostname);
                WriteTls(json, status);
                if (problem is not null && !gateway.IsWaypoint)
                {
                    json.WriteString("notServed", problem);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("routesNotAttached");
            foreach (var refused in RouteAttachment.Refused(mesh, gateway))
            {
                json.WriteStartObject();
                json.WriteString("kind", refused.Kind);
                json.WriteString("route", refused.Route);
                json.WriteString("problem", refused.Problem);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>Which certificates a listener shows, by what anybody may know of them: a Secret's content is not shown here.</summary>
    private static void WriteTls(Utf8JsonWriter json, ListenerStatus status)
    {
        if (status.Listener.Protocol is not ("HTTPS" or "TLS"))
        {
            return;
        }

        json.WriteString("tls", status.Listener.TerminatesTls ? "Terminate" : "Passthrough");
        if (status.Tls is { } tls)
        {
            json.WriteStartArray("certificates");
            foreach (var secret in tls.Certificates)
            {
                using var certificate = X509Certificate2.CreateFromPem(secret.Certificates);
                json.WriteStartObject();
                json.WriteString("secret", secret.Key);
                json.WriteString("subject", certificate.Subject);
                json.WriteString("serialNumber", certificate.SerialNumber);
                json.WriteString("expirationTime", certificate.NotAfter.ToUniversalTime());
                json.WriteString("privateKey", "[redacted]");
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (!tls.ClientAuthorities.IsEmpty)
            {
                json.WriteString("clientCertificates", tls.AllowsInsecureFallback ? "AllowInsecureFallback" : "AllowValidOnly");
                WriteNames(json, "clientAuthorities", tls.ClientAuthorities.Select(bundle => bundle.Key));
            }
        }
    }

    private static void WriteBackendTls(Utf8JsonWriter json, RequestConfiguration requests)
    {
        json.WriteStartArray("backendTls");
        foreach (var (host, protection) in requests.BackendProtections.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            foreach (var (port, tls) in protection.ByPort.OrderBy(entry => entry.Key).Select(entry => ((int?)entry.Key, entry.Value))
                .Concat(protection.Default is { } general ? [((int?)null, general)] : []))
            {
                json.WriteStartObject();
                json.WriteString("host", host);
                if (port is { } number)
                {
                    json.WriteNumber("port", number);
                }

                json.WriteString("serverName", tls.ServerName);
                json.WriteString("askedBy", tls.AskedBy);
                json.WriteEndObject();
            }
        }

        foreach (var unmet in requests.UnmetProtections)
        {
            json.WriteStartObject();
            json.WriteString("host", unmet.Hostname);
            if (unmet.Port is { } number)
            {
                json.WriteNumber("port", number);
            }

            json.WriteString("refusedFor", unmet.AskedBy);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteSelf(Utf8JsonWriter json)
    {
        json.WriteStartObject("workload");
        if (node.Self?.Current is { } self)
        {
            json.WriteString("uid", self.Uid);
            json.WriteString("identity", self.Identity.ToString());
            json.WriteStartArray("addresses");
            foreach (var address in self.Addresses)
            {
                json.WriteStringValue(address.ToString());
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private void WriteServices(Utf8JsonWriter json, MeshSnapshot mesh)
    {
        json.WriteStartArray("services");
        if (node.Self?.Current is { } self)
        {
            foreach (var service in mesh.Services.Values.Where(service => WaypointResolver.IsBound(mesh, self, service)).OrderBy(service => service.Key, StringComparer.Ordinal))
            {
                json.WriteStringValue(service.Key);
            }
        }

        json.WriteEndArray();
    }

    /// <summary>What requests were sent to, which DestinationRule counts there, and how each endpoint fares.</summary>
    private void WriteBackends(Utf8JsonWriter json)
    {
        json.WriteStartArray("backends");
        foreach (var backend in node.Upstreams?.Backends.All.OrderBy(static backend => backend.Key.ToString(), StringComparer.Ordinal) ?? Enumerable.Empty<Backend>())
        {
            json.WriteStartObject();
            json.WriteString("service", backend.Key.Service);
            json.WriteNumber("port", backend.Key.Port);
            if (backend.Key.Subset is { } subset)
            {
                json.WriteString("subset", subset);
            }

            if (backend.Current?.Policy.Rule is { } rule)
            {
                json.WriteString("destinationRule", rule);
            }

            json.WriteNumber("requests", backend.Requests);
            json.WriteNumber("retries", backend.Retries);
            if (backend.Current?.Limits is { } limits)
            {
                json.WriteNumber("connections", limits.Open);
                json.WriteNumber("pending", limits.Waiting);
            }

            json.WriteStartArray("endpoints");
            foreach (var (endpoint, _) in backend.Endpoints)
            {
                json.WriteStartObject();
                json.WriteString("workload", endpoint.Workload.Uid);
                json.WriteString("address", endpoint.Address.ToString());
                json.WriteNumber("requests", endpoint.Active);
                if (endpoint.Share is { } share)
                {
                    json.WriteBoolean("healthy", share.IsHealthy);
                    json.WriteNumber("weight", endpoint.Weight);
                    json.WriteNumber("priority", share.Priority);
                }

                if (endpoint.Record.Ejections > 0)
                {
                    json.WriteBoolean("leftOut", endpoint.IsEjected);
                    json.WriteNumber("timesLeftOut", endpoint.Record.Ejections);
                    json.WriteString("reason", endpoint.Record.Reason);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteUpstreams(Utf8JsonWriter json)
    {
        json.WriteStartArray("upstreams");
        foreach (var endpoint in node.Upstreams?.Endpoints ?? [])
        {
            json.WriteStartObject();
            json.WriteString("workload", endpoint.Workload.Uid);
            json.WriteString("address", endpoint.Address.ToString());
            json.WriteString("protocol", endpoint.Http2 ? "HTTP/2" : "HTTP/1.1");
            json.WriteString("tunnel", endpoint.Workload.Protocol == TunnelProtocol.Hbone ? "HBONE" : "TCP");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteCertificates(Utf8JsonWriter json)
    {
        json.WriteStartArray("certificates");
        foreach (var entry in svids?.Snapshot() ?? [])
        {
            json.WriteStartObject();
            json.WriteString("identity", entry.Identity.ToString());
            json.WriteString("state", entry.State.ToString());
            if (entry.Svid is { } svid)
            {
                json.WriteString("expirationTime", svid.NotAfter.UtcDateTime);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteNames(Utf8JsonWriter json, string property, IEnumerable<string> names)
    {
        json.WriteStartArray(property);
        foreach (var name in names.Order(StringComparer.Ordinal))
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
    }
}
