using System.Text.Json;
using System.Text.RegularExpressions;

namespace Ambient.Node.Tests.Diagnostics.Envoy;

/// <summary>The rows that <c>istioctl proxy-config</c> prints of an Envoy's answers, columns separated by a bar.</summary>
internal static partial class IstioctlReader
{
    private const string HttpFilter = "envoy.filters.network.http_connection_manager";
    private const string TcpFilter = "envoy.filters.network.tcp_proxy";

    /// <summary>Rows of a recorded table without its head.</summary>
    public static string[] Printed(string table)
    {
        var lines = table.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var heads = lines[0].StartsWith("ADDRESSES", StringComparison.Ordinal) ? Words() : Columns();
        var columns = heads.Matches(lines[0]).Select(match => match.Index).ToArray();
        return [.. lines.Skip(1).Select(line => string.Join('|', columns.Select((start, at) =>
            start >= line.Length ? "" : (at + 1 < columns.Length ? line[start..Math.Min(line.Length, columns[at + 1])] : line[start..]).Trim()))).Order(StringComparer.Ordinal)];
    }

    public static string[] Clusters(JsonElement dump) => Sorted(Entries(dump, "ClustersConfigDump", "dynamic_active_clusters", "static_clusters").Select(entry => entry.GetProperty("cluster")).Select(cluster =>
    {
        var name = Text(cluster, "name");
        var parts = name.Split('|');
        var key = parts.Length > 3 ? $"{parts[3]}|{parts[1]}|{(parts[2].Length == 0 ? "-" : parts[2])}|{parts[0]}" : $"{name}|-|-|-";
        return $"{key}|{(cluster.TryGetProperty("type", out var type) ? type.GetString() : "STATIC")}|{Management(cluster)}";
    }));

    public static string[] Listeners(JsonElement dump) => Sorted(
        Entries(dump, "ListenersConfigDump", "dynamic_listeners").Select(entry => entry.GetProperty("active_state").GetProperty("listener"))
            .Concat(Entries(dump, "ListenersConfigDump", "static_listeners").Select(entry => entry.GetProperty("listener")))
            .SelectMany(listener =>
            {
                var socket = listener.TryGetProperty("address", out var address) && address.TryGetProperty("socket_address", out var found) ? found : default;
                var (ip, port) = socket.ValueKind == JsonValueKind.Undefined ? ("", 0) : (Text(socket, "address"), socket.GetProperty("port_value").GetInt32());
                return Items(listener, "filter_chains").Select(chain => $"{ip}|{port}|{Match(chain)}|{Destination(chain)}");
            }));

    public static string[] Routes(JsonElement dump) => Sorted(Entries(dump, "RoutesConfigDump", "dynamic_route_configs", "static_route_configs").Select(entry => entry.GetProperty("route_config"))
        .SelectMany(routes => Items(routes, "virtual_hosts").SelectMany(host => Items(host, "routes").Select(route =>
            $"{Text(routes, "name")}|{Text(host, "name")}|{string.Join(", ", Items(host, "domains"))}|{Path(route)}|{Management(route)}"))));

    public static string[] Secrets(JsonElement dump) => Sorted(Entries(dump, "SecretsConfigDump", "dynamic_active_secrets").Select(entry =>
    {
        var secret = entry.GetProperty("secret");
        var isChain = secret.TryGetProperty("tls_certificate", out var own);
        var pem = System.Text.Encoding.UTF8.GetString((isChain ? own.GetProperty("certificate_chain") : secret.GetProperty("validation_context").GetProperty("trusted_ca")).GetProperty("inline_bytes").GetBytesFromBase64());
        using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(pem);
        return $"{Text(entry, "name")}|{(isChain ? "Cert Chain" : "CA")}|{certificate.SerialNumber.TrimStart('0').ToLowerInvariant()}";
    }));

    public static string[] Endpoints(JsonElement clusters) => Sorted(clusters.GetProperty("cluster_statuses").EnumerateArray().SelectMany(cluster => Items(cluster, "host_statuses").Select(host =>
    {
        var address = host.GetProperty("address");
        var endpoint = address.TryGetProperty("socket_address", out var socket) ? $"{Text(socket, "address")}:{socket.GetProperty("port_value")}"
            : address.TryGetProperty("pipe", out var pipe) ? $"unix://{Text(pipe, "path")}"
            : $"envoy://{Text(address.GetProperty("envoy_internal_address"), "server_listener_name")}/{Text(address.GetProperty("envoy_internal_address"), "endpoint_id")}";
        var health = host.GetProperty("health_status");
        return $"{endpoint}|{Text(health, "eds_health_status")}|{(health.TryGetProperty("failed_outlier_check", out _) ? "FAILED" : "OK")}|{Text(cluster, "name")}";
    })));

    public static IEnumerable<JsonElement> Entries(JsonElement dump, string section, params string[] fields) => dump.GetProperty("configs").EnumerateArray()
        .Where(config => Text(config, "@type") == $"type.googleapis.com/envoy.admin.v3.{section}").SelectMany(config => fields.SelectMany(field => Items(config, field)));

    private static string Destination(JsonElement chain)
    {
        foreach (var filter in Items(chain, "filters"))
        {
            var config = filter.GetProperty("typed_config");
            if (Text(filter, "name") == HttpFilter)
            {
                if (!config.TryGetProperty("route_config", out var routes))
                {
                    return config.TryGetProperty("rds", out var rds) ? $"Route: {Text(rds, "route_config_name")}" : "HTTP";
                }

                return All(routes) is { } cluster ? $"Cluster: {cluster}" : $"Inline Route: {string.Join("; ", Items(routes, "virtual_hosts").Select(host => string.Join(", ", Items(host, "routes").Select(Path))))}".Trim();
            }

            if (Text(filter, "name") == TcpFilter)
            {
                return $"Cluster: {Text(config, "cluster")}";
            }
        }

        return "Non-HTTP/Non-TCP";
    }

    private static string? All(JsonElement routes) => Items(routes, "virtual_hosts").ToArray() is [var host] && Items(host, "domains").ToArray() is [var domain] && domain.GetString() == "*"
        && Items(host, "routes").ToArray() is [var route] && Text(route.GetProperty("match"), "prefix") == "/" && route.TryGetProperty("route", out var action) && Text(action, "cluster") is { Length: > 0 } cluster
            ? cluster
            : null;

    private static string Match(JsonElement chain) => chain.TryGetProperty("filter_chain_match", out var match) && Items(match, "server_names").ToArray() is { Length: > 0 } names ? $"SNI: {string.Join(',', names)}" : "ALL";

    private static string Path(JsonElement route)
    {
        var match = route.GetProperty("match");
        return Text(match, "prefix") is { Length: > 0 } prefix ? prefix + "*" : Text(match, "path_separated_prefix") is { Length: > 0 } whole ? whole + "*" : Text(match, "path");
    }

    private static string Management(JsonElement item)
    {
        var config = item.TryGetProperty("metadata", out var metadata) && metadata.GetProperty("filter_metadata").TryGetProperty("istio", out var istio) ? Text(istio, "config") : "";
        return config.Split('/') is [_, "apis", "networking.istio.io", _, _, var ns, _, var name] ? $"{name}.{ns}" : "";
    }

    private static JsonElement[] Items(JsonElement item, string property) => item.TryGetProperty(property, out var items) ? [.. items.EnumerateArray()] : [];

    private static string Text(JsonElement item, string property) => item.TryGetProperty(property, out var value) ? value.GetString()! : "";

    private static string[] Sorted(IEnumerable<string> rows) => [.. rows.Order(StringComparer.Ordinal)];

    [GeneratedRegex(@"\S+( \S+)*")]
    private static partial Regex Columns();

    /// <summary>One table has no more than a blank between some of its columns.</summary>
    [GeneratedRegex(@"\S+")]
    private static partial Regex Words();
}
