using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text.Encodings.Web;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Node.Admin.Server;
using Ambient.Policy.Routing.Names;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Admin.Explain;

/// <summary>
/// <c>GET /explain</c> of a waypoint or gateway: what it would make of a request, and why.
/// <c>?src=…&amp;dst=service:port&amp;path=/…</c> at a waypoint, <c>?port=80&amp;host=…&amp;path=/…</c> at an ingress gateway. Where neither host nor path is asked
/// about, and the port carries bytes, it is about a connection; <c>sni=…</c> says the server name of its TLS.
/// </summary>
/// <param name="mesh">The live mesh.</param>
/// <param name="gatewayKey">The Gateway that is served.</param>
/// <param name="self">Its own workload; null while that is not in the mesh.</param>
/// <param name="network">Our network.</param>
/// <param name="rules">What names mean.</param>
internal sealed class RequestExplainEndpoint(IMeshSnapshotProvider mesh, string gatewayKey, Func<Workload?> self, string network, NameRules rules)
{
    private const string Usage =
        """
        usage: GET /explain?src=<workload>&dst=<service>&path=<target>[&format=json]   at a waypoint
               GET /explain?port=<listener>&host=<host>&path=<target>[&src=<address>]   at an ingress gateway
               GET /explain?src=<workload>&dst=<service>[&sni=<server name>]            a connection of bytes, at a waypoint
               GET /explain?port=<listener>[&sni=<server name>][&src=<address>]         and at an ingress gateway
          src: namespace/name of a pod, its address, or the uid of a workload; at a gateway the client's address
          dst: address:port, name:port (as the pod would write it), or namespace/service:port
        """;

    private static readonly JsonWriterOptions s_format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers.</summary>
    public AdminResponse Answer(AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Method != "GET")
        {
            return AdminResponse.MethodNotAllowed;
        }

        var snapshot = mesh.Current;
        if (self() is not { } own || !snapshot.Requests.Gateways.TryGetValue(gatewayKey, out var gateway))
        {
            return AdminResponse.Text(503, $"the Gateway {gatewayKey}, or its own workload, is not in the mesh yet\n");
        }

        var (stream, problem) = Stream(snapshot, gateway, own, request);
        if (problem is not null)
        {
            return AdminResponse.Text(400, $"{problem}\n\n{Usage}\n{RequestQuestion.Usage}");
        }

        if (stream is not null)
        {
            return WantsJson(request)
                ? new AdminResponse(200, "application/json", Json(json => StreamExplanationJson.Write(json, stream)))
                : AdminResponse.Text(200, StreamExplanationText.Write(stream));
        }

        var explanation = request.Parameter("dst") is not null
            ? AtWaypoint(snapshot, gateway, own, request, out var error, out var status)
            : AtGateway(snapshot, gateway, own, request, out error, out status);
        if (explanation is null)
        {
            return AdminResponse.Text(status, $"{error}\n\n{Usage}\n{RequestQuestion.Usage}");
        }

        return WantsJson(request)
            ? new AdminResponse(200, "application/json", Json(json => RequestExplanationJson.Write(json, explanation)))
            : AdminResponse.Text(200, RequestExplanationText.Write(explanation));
    }

    private static bool WantsJson(AdminRequest request) =>
        request.Parameter("format") == "json" || request.Accept.Contains("application/json", StringComparison.OrdinalIgnoreCase);

    /// <summary>A connection, where one is asked about: nothing of a request is said, and the port carries bytes or a server name is given. Null: it is a request.</summary>
    private (StreamExplanation? Explanation, string? Problem) Stream(MeshSnapshot snapshot, Mesh.Gateway gateway, Workload own, AdminRequest request)
    {
        if (RequestQuestion.IsAsked(request) || request.Parameter("host") is not null)
        {
            return default;
        }

        var name = (request.Parameter("sni") ?? "").ToLowerInvariant();
        if (name.Length > 0 && Uri.CheckHostName(name) != UriHostNameType.Dns)
        {
            return (null, $"sni: \"{name}\" is no server name");
        }

        if (request.Parameter("dst") is not null)
        {
            return ExplainQuestion.Read(snapshot, request.Parameter("src"), request.Parameter("dst"), network, rules, out _, out _) is { } connection
                && snapshot.FindService(network, connection.Destination.Address, connection.Source.Namespace) is { } service
                && (name.Length > 0 || service.Ports.Any(port => port.Port == connection.Destination.Port && port.AppProtocol is AppProtocol.Tcp or AppProtocol.Tls or AppProtocol.ServerFirst))
                    ? (StreamExplanation.AtWaypoint(snapshot, gateway, own, service, connection.Destination, connection.Source, name), null)
                    : default;
        }

        // What is wrong with the rest of a question is said where a request is read.
        return request.Parameter("port") is { } text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 1 and <= 65535
            && IPAddress.TryParse(request.Parameter("src") ?? "127.0.0.1", out var source)
            && (name.Length > 0 || ListenerStatus.Of(snapshot.Requests, gateway).Any(status => status.Listener.Port == port && status.Listener.Protocol is "TCP" or "TLS"))
                ? (StreamExplanation.AtGateway(snapshot, gateway, own, port, source, name), null)
                : default;
    }

    private RequestExplanation? AtWaypoint(MeshSnapshot snapshot, Mesh.Gateway gateway, Workload own, AdminRequest request, out string error, out int status)
    {
        if (ExplainQuestion.Read(snapshot, request.Parameter("src"), request.Parameter("dst"), network, rules, out error, out status) is not { } connection)
        {
            return null;
        }

        if (snapshot.FindService(network, connection.Destination.Address, connection.Source.Namespace) is not { } service)
        {
            (error, status) = ($"dst: {connection.Destination.Address} is no service's address; requests that address a workload have the Gateway's policies, and no routes", 404);
            return null;
        }

        status = 400;
        return RequestQuestion.Read(request, $"{connection.Name ?? service.Hostname}:{connection.Destination.Port}", snapshot.Requests.PathNormalization, out error) is { } question
            ? RequestExplanation.AtWaypoint(snapshot, gateway, own, service, connection.Destination, connection.Source, question)
            : null;
    }

    private static RequestExplanation? AtGateway(MeshSnapshot snapshot, Mesh.Gateway gateway, Workload own, AdminRequest request, out string error, out int status)
    {
        status = 400;
        if (!int.TryParse(request.Parameter("port") ?? "80", NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
        {
            error = $"port: \"{request.Parameter("port")}\" is no port";
            return null;
        }

        if (!IPAddress.TryParse(request.Parameter("src") ?? "127.0.0.1", out var source))
        {
            error = $"src: \"{request.Parameter("src")}\" is no address";
            return null;
        }

        if (request.Parameter("host") is not { Length: > 0 } host)
        {
            error = "host is missing";
            return null;
        }

        return RequestQuestion.Read(request, host, snapshot.Requests.PathNormalization, out error) is { } question
            ? RequestExplanation.AtGateway(snapshot, gateway, own, port, source, question)
            : null;
    }

    private static ReadOnlyMemory<byte> Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using var json = new Utf8JsonWriter(buffer, s_format);
        write(json);
        json.Flush();
        return buffer.WrittenMemory;
    }
}
