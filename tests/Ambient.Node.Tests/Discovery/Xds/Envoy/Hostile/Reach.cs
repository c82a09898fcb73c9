using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Ambient.Policy.Routing.Streams;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Hostile;

/// <summary>
/// What a mesh lets whom do: a fixed set of questions, asked of the functions that the engine asks. One entry for each that is let in, with all that it leads to:
/// the endpoints, how each is reached and with what protection. A mesh gives no more access than another where it has no entry that the other has not.
/// </summary>
internal static class Reach
{
    private const int Draws = 3;
    private static readonly string?[] s_callers = [null, "cluster.local/ns/app/sa/a", "cluster.local/ns/app/sa/b", "cluster.local/ns/other/sa/x"];
    private static readonly string[] s_paths = ["/", "/a/b", "/admin", "/public"];
    private static readonly string[] s_methods = ["GET", "POST"];
    private static readonly IPAddress[] s_foreign = [IPAddress.Parse("198.51.100.7"), IPAddress.Parse("127.77.0.1")];

    /// <summary>The answers.</summary>
    /// <param name="recording">Whose proxy decides.</param>
    /// <param name="mesh">What it was told.</param>
    public static HashSet<string> Of(Recording recording, MeshSnapshot mesh)
    {
        var open = new HashSet<string>(StringComparer.Ordinal);
        if (!mesh.Requests.Gateways.TryGetValue(recording.Node.GatewayKey, out var gateway))
        {
            return open;
        }

        var self = mesh.Workloads.Values.FirstOrDefault(workload => workload.Name == recording.Pod)
            ?? new Workload { Uid = "self", Name = recording.Pod, Namespace = recording.Node.Namespace, Addresses = [recording.Node.Address] };
        if (recording.Node.IsGateway)
        {
            AtGateway(mesh, gateway, self, open);
        }
        else
        {
            AtWaypoint(mesh, gateway, self, open);
        }

        return open;
    }

    private static void AtWaypoint(MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, HashSet<string> open)
    {
        // What is nobody's must not become somebody's.
        foreach (var address in s_foreign)
        {
            if (mesh.FindService(self.Network, address, clientNamespace: null) is { } service)
            {
                open.Add($"{address} is {service.Key}");
            }
        }

        foreach (var service in mesh.Services.Values.Where(service => mesh.Requests.Places.ContainsKey(service.Key)))
        {
            var (policies, routes, streams) = (RequestPolicies.ForWaypoint(mesh, gateway, service), RequestRoutes.ForService(mesh, service, gateway.Namespace), StreamRoutes.ForService(mesh, service, gateway.Namespace));
            foreach (var port in service.Ports)
            {
                var where = $"{service.Key}:{port.Port}";
                if (port.AppProtocol is not (AppProtocol.Tcp or AppProtocol.Tls or AppProtocol.ServerFirst))
                {
                    Requests(mesh, self, where, port.Port, service.Hostname, null, policies, routes, service, open);
                }

                if (port.AppProtocol is AppProtocol.Tcp or AppProtocol.Tls or AppProtocol.ServerFirst or AppProtocol.Unknown)
                {
                    Streams(mesh, self, where, port.Port, "", policies, streams, service, open);
                }
            }
        }

        var direct = RequestPolicies.ForWaypoint(mesh, gateway, null);
        foreach (var workload in mesh.Workloads.Values.Where(workload => workload.Waypoint is not null && mesh.Requests.Places.ContainsKey(PlaceConfiguration.Workloads)))
        {
            foreach (var (caller, method, path) in Questions())
            {
                if (RequestAuthorizer.Authorize(direct, Facts(caller, 8080, "", null, method, path)).IsAllowed)
                {
                    open.Add($"{workload.Uid} {caller} {method} {path}");
                }
            }
        }
    }

    private static void AtGateway(MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, HashSet<string> open)
    {
        var (policies, routes, streams) = (RequestPolicies.ForGateway(mesh, gateway), RequestRoutes.ForGateway(mesh, gateway), StreamRoutes.ForGateway(mesh, gateway));
        var hosts = mesh.Requests.HttpRoutes.Values.SelectMany(route => route.Hostnames).Select(host => host.Replace("*", "any", StringComparison.Ordinal)).Append("none.example").Distinct().ToArray();
        foreach (var status in ListenerStatus.Of(mesh.Requests, gateway).Where(status => status.IsServed))
        {
            var listener = status.Listener;
            var name = listener.Hostname?.Replace("*", "any", StringComparison.Ordinal) ?? "";
            var serverName = listener.Protocol is "HTTPS" or "TLS" ? name : null;
            var where = $"{listener.Port} {listener.Protocol} {name} clients {string.Join(' ', status.Tls?.ClientAuthorities.Select(bundle => bundle.Key) ?? [])} {status.Tls?.IsClientCertificateOptional} {status.Tls?.AllowsInsecureFallback} {string.Join(' ', status.Tls?.ClientNames ?? [])}";
            foreach (var host in listener.Protocol is "HTTP" or "HTTPS" ? hosts.Append(name).Distinct() : [])
            {
                Requests(mesh, self, where, listener.Port, host, serverName, policies, routes, null, open);
            }

            if (listener.Protocol is "TCP" or "TLS")
            {
                Streams(mesh, self, where, listener.Port, serverName ?? "", policies, streams, null, open);
            }
        }
    }

    private static void Requests(
        MeshSnapshot mesh, Workload self, string where, int port, string host, string? serverName, RequestPolicies policies, RequestRoutes routes, MeshService? addressed, HashSet<string> open)
    {
        var known = new Dictionary<(string, int, string?), string[]>();
        foreach (var (caller, method, path) in Questions())
        {
            if (!RequestAuthorizer.Authorize(policies, Facts(caller, port, host, serverName, method, path)).IsAllowed)
            {
                continue;
            }

            for (var seed = 0; seed < Draws; seed++)
            {
                var route = routes.Route(new RouteFacts(port, host, method, path, "", static _ => null) { ServerName = serverName, Scheme = serverName is null ? "http" : "https" }, new Random(seed));
                var (service, at) = route.Kind switch
                {
                    RequestRouteKind.Forward => (route.Service, route.Port == RequestRoute.ArrivalPort ? port : route.Port),
                    RequestRouteKind.Default => (addressed, port),
                    _ => (null, 0),
                };
                if (route.Error is null && service is not null)
                {
                    foreach (var endpoint in Endpoints(known, mesh, self, service, at, route.Subset))
                    {
                        open.Add($"{where} {host} {caller} {method} {path} -> {endpoint}");
                    }
                }
            }
        }
    }

    private static void Streams(
        MeshSnapshot mesh, Workload self, string where, int port, string serverName, RequestPolicies policies, StreamRoutes streams, MeshService? addressed, HashSet<string> open)
    {
        var known = new Dictionary<(string, int, string?), string[]>();
        foreach (var caller in s_callers)
        {
            var facts = new ConnectionFacts(new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.Loopback, port), caller is null ? null : SpiffeId.Parse($"spiffe://{caller}"));
            if (!RequestAuthorizer.Authorize(policies, facts, serverName).IsAllowed)
            {
                continue;
            }

            for (var seed = 0; seed < Draws; seed++)
            {
                var decision = streams.Route(new StreamFacts(port, serverName, IPAddress.Loopback, IPAddress.Loopback), new Random(seed))
                    ?? (addressed is null ? null : new StreamDecision { Service = addressed, Port = port });
                if (decision is { Error: null, Service: { } service })
                {
                    foreach (var endpoint in Endpoints(known, mesh, self, service, decision.Port == StreamDecision.ArrivalPort ? port : decision.Port, decision.Subset))
                    {
                        open.Add($"{where} {serverName} {caller} bytes -> {endpoint}");
                    }
                }
            }
        }
    }

    private static string[] Endpoints(Dictionary<(string, int, string?), string[]> known, MeshSnapshot mesh, Workload self, MeshService service, int port, string? subset) =>
        known.TryGetValue((service.Key, port, subset), out var found) ? found : known[(service.Key, port, subset)] = [.. Endpoints(mesh, self, service, port, subset)];

    private static IEnumerable<string> Endpoints(MeshSnapshot mesh, Workload self, MeshService service, int port, string? subset)
    {
        var policy = BackendPolicy.Of(mesh, self, service, port, subset);
        return policy.TlsProblem is not null || policy.IsSubsetUnknown ? [] : BackendEndpoint.All(mesh, self, service, port, policy.Labels).Select(endpoint =>
            $"{endpoint.Address}{endpoint.Workload.Hostname} {(endpoint.Workload.Protocol == TunnelProtocol.Hbone ? $"tunnel to {endpoint.Workload.Identity}" : "as it is")} {policy.Tls}{string.Join(' ', policy.Tls?.Authorities.Select(bundle => bundle.Name) ?? [])}{string.Join(' ', policy.Tls?.SubjectAltNames.Select(name => name.Value) ?? [])}");
    }

    private static IEnumerable<(string? Caller, string Method, string Path)> Questions() =>
        from caller in s_callers from method in s_methods from path in s_paths select (caller, method, path);

    private static RequestFacts Facts(string? caller, int port, string host, string? serverName, string method, string path) => new()
    {
        Identity = caller is null ? null : SpiffeId.Parse($"spiffe://{caller}"),
        Source = new IPEndPoint(IPAddress.Loopback, 1),
        Destination = new IPEndPoint(IPAddress.Loopback, port),
        ServerName = serverName,
        Method = method,
        Host = host,
        Path = path,
        Header = static _ => null,
    };
}
