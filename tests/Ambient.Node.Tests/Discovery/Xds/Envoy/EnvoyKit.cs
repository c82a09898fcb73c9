using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Telemetry;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;
using Route = Ambient.Node.Protos.Envoy.Route;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Pieces of an Envoy configuration, as istiod writes them for a waypoint.</summary>
internal static class EnvoyKit
{
    public static readonly EnvoyNode Node = new(false, "ns", "inner", IPAddress.Parse("10.0.0.1"));

    public static string Own(string host, int port) => $"inbound-vip|{port}|http|{host}";

    public static Any Pack(string type, IMessage message) => new() { TypeUrl = type, Value = message.ToByteString() };

    /// <summary>A cluster of a service that this waypoint stands before.</summary>
    public static Resource Cluster(string host, int port, string service, Action<Cluster>? more = null)
    {
        var cluster = new Cluster
        {
            Name = Own(host, port),
            Type = Protos.Envoy.Cluster.Types.DiscoveryType.Eds,
            LbPolicy = Protos.Envoy.Cluster.Types.LbPolicy.LeastRequest,
            EdsClusterConfig = new() { ServiceName = Own(host, port) },
            Metadata = new()
            {
                FilterMetadata = { ["istio"] = new Struct { Fields = { ["services"] = Value.ForList(Value.ForStruct(new Struct { Fields = { ["name"] = Value.ForString(service), ["namespace"] = Value.ForString("ns"), ["host"] = Value.ForString(host) } })) } } },
            },
        };
        more?.Invoke(cluster);
        return XdsKit.Of(cluster.Name, EnvoyTypes.Cluster, cluster, "");
    }

    /// <summary>Endpoints of such a cluster, reached as they are.</summary>
    public static Resource Endpoints(string host, int port, params (string Address, int Port)[] endpoints)
    {
        var locality = new LocalityLbEndpoints();
        foreach (var (address, at) in endpoints)
        {
            locality.LbEndpoints.Add(new LbEndpoint
            {
                HealthStatus = HealthStatus.Healthy,
                LoadBalancingWeight = 1,
                Endpoint = new() { Address = new() { SocketAddress = new() { Address = address, PortValue = (uint)at } } },
            });
        }

        return XdsKit.Of(Own(host, port), EnvoyTypes.Assignment, new ClusterLoadAssignment { ClusterName = Own(host, port), Endpoints = { locality } }, "");
    }

    /// <summary>The listener that finds services: one chain for each.</summary>
    public static Resource Services(params (string Vip, int Port, FilterChain Chain)[] chains)
    {
        var ranges = new IPMatcher();
        var listener = new Listener { Name = "main_internal" };
        foreach (var service in chains.GroupBy(chain => chain.Vip))
        {
            var ports = new Matcher.Types.MatcherTree.Types.MatchMap();
            foreach (var (_, port, chain) in service)
            {
                ports.Map[$"{port}"] = new Matcher.Types.OnMatch
                {
                    Action = new Protos.Envoy.Extension { Name = chain.Name, TypedConfig = Pack(EnvoyTypes.Text, new StringValue { Value = chain.Name }) },
                };
                listener.FilterChains.Add(chain.ToByteString());
            }

            ranges.RangeMatchers.Add(new IPMatcher.Types.IPRangeMatcher
            {
                Ranges = { new AddressRange { AddressPrefix = service.Key, PrefixLen = 32 } },
                OnMatch = new() { Matcher = new() { MatcherTree = new() { Input = new() { Name = "port", TypedConfig = Pack(EnvoyTypes.DestinationPort, new Empty()) }, ExactMatchMap = ports } } },
            });
        }

        listener.FilterChainMatcher = new() { MatcherTree = new() { Input = new() { Name = "address", TypedConfig = Pack(EnvoyTypes.DestinationIP, new Empty()) }, CustomMatch = new() { Name = "ip", TypedConfig = Pack(EnvoyTypes.IPMatcher, ranges) } } };
        return XdsKit.Of(listener.Name, EnvoyTypes.Listener, listener, "");
    }

    /// <summary>A chain of HTTP: filters, and routes; without any, everything goes to the service.</summary>
    public static FilterChain Chain(string host, int port, IEnumerable<HttpFilter>? filters = null, params Route[] routes) =>
        ChainOf(host, port, new HttpConnectionManager { HttpFilters = { filters ?? [] } }, routes);

    /// <summary>The filter that counts requests; istiod puts it into each chain.</summary>
    public static HttpFilter Stats(StatsPlugin stats) => new() { Name = "istio.stats", TypedConfig = Pack(TelemetryTypes.Stats, stats) };

    /// <summary>A chain of HTTP that is put together by hand.</summary>
    public static FilterChain ChainOf(string host, int port, HttpConnectionManager http, params Route[] routes)
    {
        http.NormalizePath = true;
        http.RouteConfig = new RouteConfiguration
        {
            Name = Own(host, port),
            VirtualHosts = { new VirtualHost { Name = $"inbound|http|{port}", Domains = { "*" }, Routes = { routes.DefaultIfEmpty(To(host, port, "default")).Select(route => route.ToByteString()) } } },
        }.ToByteString();
        return new FilterChain
        {
            Name = Own(host, port),
            Filters = { new NetworkFilter { Name = "envoy.filters.network.http_connection_manager", TypedConfig = Pack(EnvoyTypes.HttpConnectionManager, http) } },
        };
    }

    /// <summary>A route to a service.</summary>
    public static Route To(string host, int port, string name, string prefix = "/", Action<RouteMatch>? match = null)
    {
        var matched = new RouteMatch { Prefix = prefix };
        match?.Invoke(matched);
        return new Route
        {
            Name = name,
            Match = matched.ToByteString(),
            Route_ = new RouteAction { Cluster = Own(host, port), Timeout = new Duration(), RetryPolicy = new RetryPolicy { RetryOn = "connect-failure,refused-stream,unavailable,cancelled", NumRetries = 2, RetryHostPredicate = { new RetryPolicy.Types.RetryHostPredicate() } } },
        };
    }

    /// <summary>A filter of policies.</summary>
    public static HttpFilter Rules(RuleSet.Types.Action action, params (string Name, Principal Who, Permission What)[] policies)
    {
        var rules = new RuleSet { Action = action };
        foreach (var (name, who, what) in policies)
        {
            rules.Policies[name] = new RuleSetPolicy { Principals = { who }, Permissions = { what } };
        }

        return new HttpFilter { Name = "envoy.filters.http.rbac", TypedConfig = Pack(EnvoyTypes.HttpRules, new HttpRules { Rules = rules }) };
    }

    public static Principal Identity(string serviceAccount) => new()
    {
        FilterState = new() { Key = "io.istio.peer_principal", StringMatch = new() { Exact = $"spiffe://cluster.local/ns/ns/sa/{serviceAccount}" } },
    };

    public static Permission AnyRequest => new() { Any = true };

    public static Resource Workload(string name, string address, string serviceAccount = "web", bool tunnel = false) => XdsKit.Of(
        XdsKit.Uid(name), EnvoyTypes.Workload, new Protos.Workloads.Workload
        {
            Uid = XdsKit.Uid(name),
            Name = name,
            Namespace = "ns",
            ServiceAccount = serviceAccount,
            TunnelProtocol = tunnel ? Protos.Workloads.TunnelProtocol.Hbone : Protos.Workloads.TunnelProtocol.None,
            Addresses = { XdsKit.Bytes(address) },
        });

    /// <summary>The listener that ends tunnels, with policies for whoever opens one.</summary>
    public static Resource Tunnels(params HttpFilter[] filters) => XdsKit.Of("connect_terminate", EnvoyTypes.Listener, new Listener
    {
        Name = "connect_terminate",
        FilterChains = { new FilterChain { Name = "default", Filters = { new NetworkFilter { Name = "http", TypedConfig = Pack(EnvoyTypes.HttpConnectionManager, new HttpConnectionManager { HttpFilters = { filters } }) } } }.ToByteString() },
    }, "");

    /// <summary>A session over a mesh of its own, to which responses are handed without a network. It has been told who may open tunnels: anybody.</summary>
    public static (EnvoySession Session, MeshStore Store) Session()
    {
        var store = new MeshStore();
        var session = new EnvoySession(store, Node, NullLogger.Instance);
        session.Tell(EnvoyTypes.Listener, Tunnels());
        return (session, store);
    }

    /// <summary>Hands a response to a session, as its bytes come over the network.</summary>
    public static XdsAnswer Hear(this EnvoySession session, byte[] message) => session.Apply(XdsKit.Parse(message, session));

    /// <summary>Hands a response to a session, as its bytes come over the network.</summary>
    public static XdsAnswer Tell(this EnvoySession session, string type, params Resource[] resources) =>
        session.Hear(XdsKit.Response(type, resources).ToByteArray());

    /// <summary>Hands over that resources are gone.</summary>
    public static XdsAnswer Take(this EnvoySession session, string type, params string[] names) =>
        session.Hear(new DeltaDiscoveryResponse { TypeUrl = type, Nonce = "n", RemovedResources = { names } }.ToByteArray());
}
