using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Ambient.Mesh;

namespace Ambient.Node.Admin.Dumps;

/// <summary>
/// Workloads, services and policies in the JSON of ztunnel's config dump: camelCase, alphabetical, default-valued optional fields left out.
/// </summary>
internal static class MeshDump
{
    /// <summary>Writes a workload.</summary>
    /// <param name="json">Writer, at a place for a value.</param>
    /// <param name="workload">The workload.</param>
    /// <param name="services">How the services that it belongs to are written.</param>
    public static void Write(Utf8JsonWriter json, Workload workload, WorkloadServices services)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(workload);
        json.WriteStartObject();
        if (workload.ApplicationTunnel is { } tunnel)
        {
            json.WriteStartObject("applicationTunnel");
            if (tunnel.Port > 0)
            {
                json.WriteNumber("port", tunnel.Port);
            }

            json.WriteString("protocol", tunnel.Protocol == ApplicationTunnelProtocol.Proxy ? "PROXY" : "NONE");
            json.WriteEndObject();
        }

        Texts(json, "authorizationPolicies", workload.AuthorizationPolicies);
        Text(json, "canonicalName", workload.CanonicalName);
        Text(json, "canonicalRevision", workload.CanonicalRevision);
        json.WriteNumber("capacity", workload.Capacity);
        json.WriteString("clusterId", workload.ClusterId);
        Text(json, "hostname", workload.Hostname);
        if (workload.Locality != Locality.Empty)
        {
            json.WriteStartObject("locality");
            json.WriteString("region", workload.Locality.Region);
            json.WriteString("subzone", workload.Locality.Subzone);
            json.WriteString("zone", workload.Locality.Zone);
            json.WriteEndObject();
        }

        json.WriteString("name", workload.Name);
        json.WriteString("namespace", workload.Namespace);
        if (workload.NativeTunnel)
        {
            json.WriteBoolean("nativeTunnel", true);
        }

        Text(json, "network", workload.Network);
        Gateway(json, "networkGateway", workload.NetworkGateway);
        json.WriteString("networkMode", workload.NetworkMode == NetworkMode.HostNetwork ? "HostNetwork" : "Standard");
        Text(json, "node", workload.Node);
        json.WriteString("protocol", workload.Protocol == TunnelProtocol.Hbone ? "HBONE" : "TCP");
        Text(json, "serviceAccount", workload.ServiceAccount);
        if (services == WorkloadServices.Names && !workload.Services.IsEmpty)
        {
            json.WriteStartArray("services");
            foreach (var (key, _) in workload.Services.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                json.WriteStringValue(key);
            }

            json.WriteEndArray();
        }
        else if (services == WorkloadServices.WithPorts)
        {
            json.WriteStartObject("services");
            foreach (var (key, ports) in workload.Services.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                json.WriteStartObject(key);
                Ports(json, ports);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        Gateway(json, "serviceWaypoint", workload.ServiceWaypoint);
        json.WriteString("status", workload.Status == WorkloadStatus.Healthy ? "Healthy" : "Unhealthy");
        Text(json, "trustDomain", workload.TrustDomain);
        json.WriteString("uid", workload.Uid);
        Gateway(json, "waypoint", workload.Waypoint);
        json.WriteStartArray("workloadIps");
        foreach (var address in workload.Addresses)
        {
            json.WriteStringValue(address.ToString());
        }

        json.WriteEndArray();
        Text(json, "workloadName", workload.WorkloadName);
        if (workload.WorkloadName.Length > 0)
        {
            json.WriteString("workloadType", workload.WorkloadType switch
            {
                WorkloadType.CronJob => "cronjob",
                WorkloadType.Pod => "pod",
                WorkloadType.Job => "job",
                _ => "deployment",
            });
        }

        json.WriteEndObject();
    }

    /// <summary>Writes a service with its endpoints.</summary>
    public static void Write(Utf8JsonWriter json, MeshService service, ImmutableArray<MeshEndpoint> endpoints)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(service);
        json.WriteStartObject();
        json.WriteBoolean("canonical", service.Canonical);
        if (service.CidrVips.Length > 0)
        {
            json.WriteStartArray("cidrVips");
            foreach (var vip in service.CidrVips)
            {
                json.WriteStartObject();
                json.WriteString("cidr", vip.Range.ToString());
                json.WriteString("network", vip.Network);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteStartObject("endpoints");
        foreach (var endpoint in endpoints.OrderBy(endpoint => endpoint.Workload.Uid, StringComparer.Ordinal))
        {
            json.WriteStartObject(endpoint.Workload.Uid);
            json.WriteStartObject("port");
            Ports(json, endpoint.Ports);
            json.WriteEndObject();
            json.WriteString("status", endpoint.Workload.Status == WorkloadStatus.Healthy ? "Healthy" : "Unhealthy");
            json.WriteString("workloadUid", endpoint.Workload.Uid);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteString("hostname", service.Hostname);
        if (service.IPFamilies != IPFamilies.Automatic)
        {
            json.WriteString("ipFamilies", service.IPFamilies switch
            {
                IPFamilies.IPv4Only => "IPv4",
                IPFamilies.IPv6Only => "IPv6",
                _ => "Dual",
            });
        }

        if (service.LoadBalancing is { } balancing)
        {
            json.WriteStartObject("loadBalancer");
            json.WriteString("healthPolicy", balancing.HealthPolicy == EndpointHealthPolicy.AllowAll ? "AllowAll" : "OnlyHealthy");
            json.WriteString("mode", balancing.Mode.ToString());
            json.WriteStartArray("routingPreferences");
            foreach (var scope in balancing.RoutingPreference)
            {
                json.WriteStringValue(scope.ToString());
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteString("name", service.Name);
        json.WriteString("namespace", service.Namespace);
        json.WriteStartObject("ports");
        Ports(json, service.Ports);
        json.WriteEndObject();
        json.WriteStartArray("subjectAltNames");
        foreach (var name in service.SubjectAltNames)
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
        json.WriteStartArray("vips");
        foreach (var vip in service.Vips)
        {
            json.WriteStringValue(vip.ToString());
        }

        json.WriteEndArray();
        json.WriteString("visibility", service.Visibility == ServiceVisibility.Namespace ? "Namespace" : "Public");
        Gateway(json, "waypoint", service.Waypoint);
        if (service.WeightedWaypoints.Length > 0)
        {
            json.WriteStartArray("weightedWaypoints");
            foreach (var weighted in service.WeightedWaypoints)
            {
                json.WriteStartObject();
                Gateway(json, "destination", weighted.Destination);
                json.WriteNumber("weight", weighted.Weight);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>Writes an L4 policy.</summary>
    public static void Write(Utf8JsonWriter json, AuthorizationPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(policy);
        json.WriteStartObject();
        json.WriteString("action", policy.Action.ToString());
        json.WriteBoolean("dryRun", policy.DryRun);
        json.WriteString("name", policy.Name);
        json.WriteString("namespace", policy.Namespace);
        json.WriteStartArray("rules");
        foreach (var rule in policy.Rules)
        {
            json.WriteStartArray();
            foreach (var clause in rule.Clauses)
            {
                json.WriteStartArray();
                foreach (var match in clause.Matches)
                {
                    Write(json, match);
                }

                json.WriteEndArray();
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteString("scope", policy.Scope.ToString());
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, PolicyMatch match)
    {
        json.WriteStartObject();
        Networks(json, "destinationIps", match.DestinationIPs);
        Numbers(json, "destinationPorts", match.DestinationPorts);
        Matches(json, "namespaces", match.Namespaces);
        Networks(json, "notDestinationIps", match.NotDestinationIPs);
        Numbers(json, "notDestinationPorts", match.NotDestinationPorts);
        Matches(json, "notNamespaces", match.NotNamespaces);
        Matches(json, "notPrincipals", match.NotPrincipals);
        Accounts(json, "notServiceAccounts", match.NotServiceAccounts);
        Networks(json, "notSourceIps", match.NotSourceIPs);
        Matches(json, "principals", match.Principals);
        Accounts(json, "serviceAccounts", match.ServiceAccounts);
        Networks(json, "sourceIps", match.SourceIPs);
        json.WriteEndObject();
    }

    private static void Matches(Utf8JsonWriter json, string name, ImmutableArray<StringMatch> matches)
    {
        if (matches.IsDefaultOrEmpty)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var match in matches)
        {
            json.WriteStartObject();
            if (match.Kind == StringMatchKind.Presence)
            {
                json.WriteStartArray("Presence");
                json.WriteEndArray();
            }
            else
            {
                json.WriteString(match.Kind.ToString(), match.Value);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Accounts(Utf8JsonWriter json, string name, ImmutableArray<ServiceAccountMatch> accounts)
    {
        if (accounts.IsDefaultOrEmpty)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var account in accounts)
        {
            json.WriteStartObject();
            json.WriteString("namespace", account.Namespace);
            json.WriteString("serviceAccount", account.ServiceAccount);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Networks(Utf8JsonWriter json, string name, ImmutableArray<IPNetwork> networks) =>
        Texts(json, name, networks.IsDefaultOrEmpty ? [] : [.. networks.Select(network => network.ToString())]);

    private static void Numbers(Utf8JsonWriter json, string name, ImmutableArray<int> numbers)
    {
        if (numbers.IsDefaultOrEmpty)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }

    private static void Ports(Utf8JsonWriter json, ImmutableArray<ServicePort> ports)
    {
        foreach (var port in ports.OrderBy(port => port.Port.ToString(CultureInfo.InvariantCulture), StringComparer.Ordinal))
        {
            json.WriteNumber(port.Port.ToString(CultureInfo.InvariantCulture), port.TargetPort);
        }
    }

    private static void Gateway(Utf8JsonWriter json, string name, GatewayAddress? gateway)
    {
        if (gateway is null)
        {
            return;
        }

        json.WriteStartObject(name);
        json.WriteString("destination", gateway.ToString());
        json.WriteNumber("hboneMtlsPort", gateway.HboneMtlsPort);
        json.WriteEndObject();
    }

    private static void Text(Utf8JsonWriter json, string name, string value)
    {
        if (value.Length > 0)
        {
            json.WriteString(name, value);
        }
    }

    private static void Texts(Utf8JsonWriter json, string name, ImmutableArray<string> values)
    {
        if (values.IsDefaultOrEmpty)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }
}

/// <summary>What a dumped workload says of the services that it belongs to.</summary>
internal enum WorkloadServices
{
    /// <summary>Not at all: the local configuration leaves a workload's own list empty, as in the original.</summary>
    None,

    /// <summary>Their keys, <c>namespace/hostname</c>; left out when there are none.</summary>
    Names,

    /// <summary>Their keys with their ports, as the local configuration writes them.</summary>
    WithPorts,
}
