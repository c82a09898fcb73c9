using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether a listener of an ingress gateway is served as it is written, and why not.</summary>
/// <param name="Listener">The listener.</param>
/// <param name="Problem">Why it is not served, for operators; null when it is.</param>
public sealed record ListenerStatus(GatewayListener Listener, string? Problem)
{
    /// <summary>The ListenerSet that it is of; null: the Gateway's own.</summary>
    public ListenerSet? Set { get; init; }

    /// <summary>What it shows, where it ends TLS and is served.</summary>
    public ListenerTls? Tls { get; init; }

    /// <summary>Whether it is served.</summary>
    public bool IsServed => Problem is null;

    /// <summary>Whether the Gateway has it at all: a set that it does not take adds nothing, nor does a listener that another one has already.</summary>
    public bool IsTaken { get; init; } = true;

    /// <summary>Its name; of a ListenerSet, with the set's.</summary>
    public string Title => Set is null ? Listener.Name : $"{Listener.Name} of {(Set.IsIstio ? "Istio's Gateway" : "ListenerSet")} {Set.Key}";

    /// <summary>Whether a server name is one of those that it is for; empty: none is named.</summary>
    public bool IsFor(string serverName) => HostName.Matches(Listener.Hostname, serverName);

    /// <summary>
    /// The status of every listener of a gateway: its own in the order in which they are written, then those of its ListenerSets, the oldest
    /// set first. Of two that cannot both be served, the earlier one is.
    /// </summary>
    /// <param name="configuration">ListenerSets, and what listeners refer to.</param>
    /// <param name="gateway">The gateway.</param>
    public static ImmutableArray<ListenerStatus> Of(RequestConfiguration configuration, Gateway gateway)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(gateway);
        var ports = new Dictionary<int, PortClaims>();
        var statuses = ImmutableArray.CreateBuilder<ListenerStatus>(gateway.Listeners.Length);

        // HTTP in clear has its port whatever else claims it, and however late: what it would serve for the others' hosts is answered with 404.
        foreach (var listener in gateway.Listeners.Where(listener => listener.Protocol == "HTTP"))
        {
            ClaimsOf(ports, listener.Port).Family ??= PortFamily.Clear;
        }

        foreach (var listener in gateway.Listeners)
        {
            statuses.Add(StatusOf(configuration, gateway, null, listener, ports));
        }

        foreach (var set in SetsOf(configuration, gateway))
        {
            var refusal = set.IsIstio || NamespaceSelection.Allows(
                configuration, gateway.AllowedListenerNamespaces, gateway.ListenerNamespaceSelector, gateway.Namespace, set.Namespace)
                    ? null
                    : $"the Gateway takes no ListenerSets of namespace {set.Namespace} (allowedListeners.namespaces)";
            foreach (var listener in set.Listeners)
            {
                statuses.Add(refusal is null
                    ? StatusOf(configuration, gateway, set, listener, ports)
                    : new ListenerStatus(listener, refusal) { Set = set, IsTaken = false });
            }
        }

        return statuses.ToImmutable();
    }

    private static IEnumerable<ListenerSet> SetsOf(RequestConfiguration configuration, Gateway gateway) => configuration.ListenerSets.Values
        .Where(set => set.Parent is { Group: "gateway.networking.k8s.io", Kind: "Gateway" } && set.Parent.Name == gateway.Name && set.Parent.Namespace == gateway.Namespace)
        .OrderBy(set => set.CreationTime)
        .ThenBy(set => set.Key, StringComparer.Ordinal);

    private static PortClaims ClaimsOf(Dictionary<int, PortClaims> ports, int port) =>
        ports.TryGetValue(port, out var claims) ? claims : ports[port] = new PortClaims();

    private static ListenerStatus StatusOf(
        RequestConfiguration configuration, Gateway gateway, ListenerSet? set, GatewayListener listener, Dictionary<int, PortClaims> ports)
    {
        var status = new ListenerStatus(listener, null) { Set = set };
        if (listener.Server?.Problem is { } unable)
        {
            return status with { Problem = unable, IsTaken = listener.Protocol is "HTTPS" or "TLS" };
        }

        if (FamilyOf(listener) is not { } family)
        {
            // It holds its hosts all the same, if nobody else has the port for something else.
            return status with { Problem = UnservedProtocol(gateway, listener), IsTaken = listener.Protocol is "HTTPS" or "TLS" };
        }

        var claims = ClaimsOf(ports, listener.Port);
        claims.Family ??= family;
        if (claims.Family != family)
        {
            return status with
            {
                Problem = $"protocol {listener.Protocol} conflicts on port {listener.Port} with {Holders(claims, listener.Port, gateway)}"
                    + (claims.Family == PortFamily.Clear && family == PortFamily.Tls ? "; requests for its hosts are answered with 404" : ""),
                IsTaken = set is null && family == PortFamily.Tls,
            };
        }

        // A port listens at one address.
        var bind = listener.Bind ?? IPAddress.Any;
        claims.Bind ??= bind;
        if (!bind.Equals(claims.Bind))
        {
            return status with { Problem = $"bind to {AddressOf(bind)} conflicts on port {listener.Port} with {AddressOf(claims.Bind)}", IsTaken = false };
        }

        // One listener for a port and host name; by the Gateway API the first one written has it. Istio's own servers share HTTP in clear.
        var host = family == PortFamily.Tcp ? "*" : (listener.Hostname ?? "*").ToLowerInvariant();
        if (!claims.Hosts.TryAdd(host, status) && !(family == PortFamily.Clear && listener.Server is not null))
        {
            return status with { Problem = $"listener {claims.Hosts[host].Title} has the same port{(family == PortFamily.Tcp ? "" : " and host name")}", IsTaken = false };
        }

        if (!listener.TerminatesTls)
        {
            return status;
        }

        var tls = ListenerCertificates.Resolve(configuration, gateway, set, listener, out var problem);
        return status with { Problem = problem, Tls = tls };
    }

    private static string AddressOf(IPAddress bind) => bind.Equals(IPAddress.Any) ? "the gateway's own address" : bind.ToString();

    /// <summary>What the port of a listener is served as; null: nothing serves it as it is written.</summary>
    private static PortFamily? FamilyOf(GatewayListener listener) => listener switch
    {
        { Protocol: "HTTP", TerminatesTls: false } => PortFamily.Clear,
        { Protocol: "HTTPS", TerminatesTls: true } => PortFamily.Tls,
        { Protocol: "TLS" } => PortFamily.Tls,
        { Protocol: "TCP", TerminatesTls: false } => PortFamily.Tcp,
        _ => null,
    };

    private static string UnservedProtocol(Gateway gateway, GatewayListener listener)
    {
        var problem = listener.Protocol switch
        {
            "HTTPS" => "an HTTPS listener ends TLS itself, so it needs tls with mode Terminate",
            "HTTP" or "TCP" => $"a {listener.Protocol} listener has no TLS; use HTTPS or TLS",
            _ => $"protocol {listener.Protocol} is not supported",
        };
        var others = gateway.Listeners.Where(other => other.Port == listener.Port && other.Protocol == "HTTP" && other != listener).Select(other => other.Name).ToArray();
        return others.Length == 0 ? problem
            : $"{problem}, and conflicts on port {listener.Port} with HTTP of {string.Join(", ", others)}; requests for its hosts are answered with 404";
    }

    private static string Holders(PortClaims claims, int port, Gateway gateway)
    {
        var (title, protocols) = claims.Family switch
        {
            PortFamily.Clear => ("HTTP", new[] { "HTTP" }),
            PortFamily.Tls => ("TLS", ["HTTPS", "TLS"]),
            _ => ("TCP", ["TCP"]),
        };
        var own = gateway.Listeners.Where(other => other.Port == port && protocols.Contains(other.Protocol)).Select(other => other.Name).ToArray();
        return $"{title} of {string.Join(", ", own.Length > 0 ? own : claims.Hosts.Values.Select(holder => holder.Title))}";
    }

    private enum PortFamily
    {
        Clear,
        Tls,
        Tcp,
    }

    private sealed class PortClaims
    {
        public PortFamily? Family { get; set; }

        /// <summary>The address that its listeners bind to, any for the gateway's own; null: nobody has said.</summary>
        public IPAddress? Bind { get; set; }

        public Dictionary<string, ListenerStatus> Hosts { get; } = new(StringComparer.Ordinal);
    }
}
