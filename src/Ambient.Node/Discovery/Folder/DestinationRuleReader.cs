using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads DestinationRules (https://istio.io/latest/docs/reference/config/networking/destination-rule/).</summary>
internal static class DestinationRuleReader
{
    // As Envoy: a larger ring is refused by it.
    private const int LargestRing = 8 * 1024 * 1024;
    private const int LargestMaglev = 5_000_011;

    private static readonly SearchValues<char> s_endOfCookie = SearchValues.Create(";,\"\\");

    public static DestinationRuleObject ReadDestinationRule(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var names = new HashSet<string>(StringComparer.Ordinal);
        var subsets = ImmutableArray.CreateBuilder<DestinationSubset>();
        foreach (var subset in spec.Objects("subsets"))
        {
            var name = subset.RequiredString("name");
            if (name.Length > 0 && !names.Add(name))
            {
                subset.Error("name", $"\"{name}\" is already the name of another subset of the rule");
            }

            subsets.Add(new DestinationSubset(name)
            {
                Labels = subset.StringMap("labels").ToImmutableDictionary(StringComparer.Ordinal),
                Policy = subset.Object("trafficPolicy") is { } policy ? ReadPolicy(policy) : null,
            });
        }

        var host = spec.RequiredString("host").TrimEnd('.').ToLowerInvariant();
        if (host.LastIndexOf('*') is var star && (star > 0 || (host.Length > 1 && star == 0 && host[1] != '.')))
        {
            spec.Error("host", $"\"{host}\" is not a host; a '*' stands for the whole beginning, as in *.example.com");
        }

        return new DestinationRuleObject(meta, host)
        {
            Rule = new DestinationRule
            {
                Name = meta.Name,
                Namespace = meta.Namespace,
                Host = host,
                ExportTo = [.. spec.Strings("exportTo").Select(ns => ns == "." ? meta.Namespace : ns)],
                WorkloadSelector = spec.ObjectOrEmpty("workloadSelector").StringMap("matchLabels").ToImmutableDictionary(StringComparer.Ordinal),
                Policy = spec.Object("trafficPolicy") is { } all ? ReadPolicy(all) : TrafficPolicy.None,
                Subsets = subsets.ToImmutable(),
                CreationTime = meta.CreationTime,
            },
        };
    }

    /// <summary>A traffic policy, of which MeshConfig's has two blocks.</summary>
    internal static TrafficPolicy ReadPolicy(FieldReader policy)
    {
        var ports = new HashSet<int>();
        var ofPorts = ImmutableArray.CreateBuilder<PortTrafficPolicy>();
        foreach (var settings in policy.Objects("portLevelSettings"))
        {
            var port = settings.ObjectOrEmpty("port");
            var number = port.RequiredInteger("number", 1, 65535);
            if (!ports.Add(number))
            {
                port.Error("number", $"{number} has settings already");
            }

            ofPorts.Add(new PortTrafficPolicy(number, ReadBlocks(settings)));
        }

        return ReadBlocks(policy) with
        {
            RetryBudget = policy.Object("retryBudget") is { } budget
                ? new RetryBudget(ReadNumber(budget, "percent", 0, 100) ?? RetryBudget.Default.Percent, budget.Integer("minRetryConcurrency", 0, int.MaxValue) ?? RetryBudget.Default.MinRetryConcurrency) { Interval = Positive(budget, "budgetInterval") }
                : null,
            ProxyProtocol = policy.Object("proxyProtocol") is { } proxy ? proxy.OneOf("version", "V1", "V2") == "V2" ? ProxyProtocolVersion.V2 : ProxyProtocolVersion.V1 : null,
            Tunnel = policy.Object("tunnel") is { } tunnel ? ReadTunnel(tunnel) : null,
            Ports = ofPorts.ToImmutable(),
        };
    }

    private static ProxyTunnel ReadTunnel(FieldReader tunnel)
    {
        var host = tunnel.RequiredString("targetHost");
        if (host.AsSpan().ContainsAnyExceptInRange('!', '~') || host.Contains('/', StringComparison.Ordinal))
        {
            tunnel.Error("targetHost", $"\"{host}\" is not a host");
        }

        return new ProxyTunnel(tunnel.String("protocol") is { Length: > 0 } protocol ? protocol.ToUpperInvariant() : "CONNECT", host, tunnel.RequiredInteger("targetPort", 1, 65535));
    }

    private static TrafficPolicy ReadBlocks(FieldReader policy) => new()
    {
        Balancer = policy.Object("loadBalancer") is { } balancer ? ReadBalancer(balancer) : null,
        ConnectionPool = policy.Object("connectionPool") is { } pool ? ReadConnectionPool(pool) : null,
        OutlierDetection = policy.Object("outlierDetection") is { } outliers ? ReadOutlierDetection(outliers) : null,
        Tls = policy.Object("tls") is { } tls ? TlsOriginationReader.Read(tls) : null,
    };

    private static BalancerSettings ReadBalancer(FieldReader balancer)
    {
        if (balancer.Has("simple") && balancer.Has("consistentHash"))
        {
            balancer.Error("consistentHash", "cannot stand beside \"simple\": one of them decides");
        }

        return new BalancerSettings
        {
            Algorithm = balancer.OneOf("simple", "UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST") switch
            {
                "RANDOM" => BalancerAlgorithm.Random,
                "ROUND_ROBIN" => BalancerAlgorithm.RoundRobin,
                "PASSTHROUGH" => BalancerAlgorithm.Passthrough,
                _ => BalancerAlgorithm.LeastRequest,
            },
            ConsistentHash = balancer.Object("consistentHash") is { } hash ? ReadConsistentHash(hash) : null,
            Warmup = ReadWarmup(balancer),
            Locality = balancer.Object("localityLbSetting") is { } locality ? ReadLocality(locality) : null,
        };
    }

    private static Warmup? ReadWarmup(FieldReader balancer)
    {
        if (balancer.Object("warmup") is not { } warmup)
        {
            return Positive(balancer, "warmupDurationSecs") is { } plain ? new Warmup(plain) : null;
        }

        var duration = Positive(warmup, "duration");
        if (duration is null && !warmup.HasErrors)
        {
            warmup.Error("duration", "missing; expected a duration such as 60s");
        }

        return duration is not { } takes ? null : new Warmup(
            takes, ReadNumber(warmup, "minimumPercent", 0, 100) ?? 10, ReadNumber(warmup, "aggression", 1, 1000) ?? 1);
    }

    private static ConsistentHash? ReadConsistentHash(FieldReader hash)
    {
        (string Field, Func<ConsistentHash?> Read)[] keys =
        [
            ("httpHeaderName", () => new ConsistentHash(HashSource.Header, hash.RequiredString("httpHeaderName").ToLowerInvariant())),
            ("httpCookie", () => ReadCookie(hash.ObjectOrEmpty("httpCookie"))),
            ("useSourceIp", () => new ConsistentHash(HashSource.SourceAddress, "")),
            ("httpQueryParameterName", () => new ConsistentHash(HashSource.QueryParameter, hash.RequiredString("httpQueryParameterName"))),
        ];
        var said = keys.Where(key => hash.Has(key.Field) && (key.Field != "useSourceIp" || hash.Boolean("useSourceIp") == true)).ToArray();
        if (said.Length != 1)
        {
            if (!hash.HasErrors)
            {
                hash.Error("", $"expected one of {string.Join(", ", keys.Select(key => key.Field))}, found {(said.Length == 0 ? "none" : string.Join(" and ", said.Select(key => key.Field)))}");
            }

            return null;
        }

        var maglev = hash.Object("maglev");
        if (maglev is not null && hash.Has("ringHash"))
        {
            hash.Error("maglev", "cannot stand beside \"ringHash\"");
        }

        var size = maglev is null
            ? hash.ObjectOrEmpty("ringHash").Integer("minimumRingSize", 0, LargestRing) ?? hash.Integer("minimumRingSize", 0, LargestRing) ?? 1024
            : maglev.Integer("tableSize", 1, LargestMaglev) ?? 65537;
        if (maglev is not null && !IsPrime(size))
        {
            maglev.Error("tableSize", $"{size} is not a prime, which Maglev's table needs");
        }

        return said[0].Read() is { } read ? read with { IsMaglev = maglev is not null, TableSize = size } : null;
    }

    private static ConsistentHash ReadCookie(FieldReader cookie)
    {
        var name = cookie.RequiredString("name");
        CheckCookieText(cookie, "name", name);
        var path = cookie.String("path") ?? "";
        CheckCookieText(cookie, "path", path);
        var attributes = ImmutableArray.CreateBuilder<NamedValue>();
        foreach (var attribute in cookie.Objects("attributes"))
        {
            var (key, value) = (attribute.RequiredString("name"), attribute.String("value") ?? "");
            CheckCookieText(attribute, "name", key);
            CheckCookieText(attribute, "value", value);
            attributes.Add(new NamedValue(key, value));
        }

        return new ConsistentHash(HashSource.Cookie, name) { CookiePath = path, CookieLifetime = Durations.Read(cookie, "ttl"), CookieAttributes = attributes.ToImmutable() };
    }

    /// <summary>What would end a part of a cookie early, and begin another (RFC 6265 section 4.1.1), cannot be in it.</summary>
    internal static void CheckCookieText(FieldReader fields, string field, string text)
    {
        if (text.AsSpan().ContainsAny(s_endOfCookie) || text.AsSpan().ContainsAnyExceptInRange('!', '~') || (field == "name" && text.Contains('=', StringComparison.Ordinal)))
        {
            fields.Error(field, $"\"{text}\" cannot stand in a cookie");
        }
    }

    internal static LocalityBalancing ReadLocality(FieldReader locality)
    {
        if (locality.Has("distribute") && (locality.Has("failover") || locality.Has("failoverPriority")))
        {
            locality.Error("distribute", "cannot stand beside \"failover\" or \"failoverPriority\"");
        }

        var distribute = ImmutableArray.CreateBuilder<LocalityDistribution>();
        foreach (var rule in locality.Objects("distribute"))
        {
            var shares = ImmutableArray.CreateBuilder<LocalityShare>();
            var to = rule.ObjectOrEmpty("to");
            foreach (var key in to.Names)
            {
                shares.Add(new LocalityShare(key.Value, to.RequiredInteger(key.Value, 0, 100)));
            }

            if (shares.Sum(share => share.Percent) != 100 && !rule.HasErrors)
            {
                rule.Error("to", $"the shares add up to {shares.Sum(share => share.Percent)}; expected 100");
            }

            distribute.Add(new LocalityDistribution(rule.RequiredString("from"), shares.ToImmutable()));
        }

        var failover = ImmutableArray.CreateBuilder<RegionFailover>();
        foreach (var rule in locality.Objects("failover"))
        {
            var (from, to) = (rule.RequiredString("from"), rule.RequiredString("to"));
            if (from == to && from.Length > 0)
            {
                rule.Error("to", $"\"{to}\" is the region that is failed over from");
            }

            failover.Add(new RegionFailover(from, to));
        }

        return new LocalityBalancing
        {
            IsEnabled = locality.Boolean("enabled") ?? true,
            Distribute = distribute.ToImmutable(),
            Failover = failover.ToImmutable(),
            FailoverPriority = [.. locality.Strings("failoverPriority")],
        };
    }

    private static ConnectionPoolSettings ReadConnectionPool(FieldReader pool)
    {
        var (tcp, http) = (pool.ObjectOrEmpty("tcp"), pool.ObjectOrEmpty("http"));
        var upgrade = http.OneOf("h2UpgradePolicy", "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE");
        var asClient = http.Boolean("useClientProtocol") ?? false;
        if (asClient && upgrade == "UPGRADE")
        {
            http.Error("useClientProtocol", "cannot stand beside the h2UpgradePolicy UPGRADE");
        }

        return new ConnectionPoolSettings
        {
            MaxConnections = Limit(tcp, "maxConnections"),
            ConnectTimeout = Positive(tcp, "connectTimeout"),
            MaxConnectionDuration = Positive(tcp, "maxConnectionDuration"),
            TcpIdleTimeout = Positive(tcp, "idleTimeout"),
            KeepAlive = ReadKeepAlive(tcp),
            Http2KeepAlive = http.Object("http2KeepAlive") is { } pings ? new Http2KeepAlive(Positive(pings, "interval"), Positive(pings, "timeout")) : null,
            MaxPendingRequests = Limit(http, "http1MaxPendingRequests"),
            MaxRequests = Limit(http, "http2MaxRequests"),
            MaxRequestsPerConnection = Limit(http, "maxRequestsPerConnection"),
            MaxRetries = Limit(http, "maxRetries"),
            IdleTimeout = Positive(http, "idleTimeout"),
            MaxConcurrentStreams = Limit(http, "maxConcurrentStreams"),
            UpgradesToHttp2 = upgrade == "UPGRADE",
            KeepsHttp1 = upgrade == "DO_NOT_UPGRADE",
            UsesClientProtocol = asClient,
        };
    }

    /// <summary>What a MeshConfig says of every connection; null: nothing.</summary>
    internal static ConnectionPoolSettings? ReadDefaults(FieldReader config)
    {
        var read = new ConnectionPoolSettings
        {
            ConnectTimeout = Positive(config, "connectTimeout"),
            KeepAlive = ReadKeepAlive(config),
            UpgradesToHttp2 = config.OneOf("h2UpgradePolicy", "DO_NOT_UPGRADE", "UPGRADE") == "UPGRADE",
        };
        return read == new ConnectionPoolSettings() ? null : read;
    }

    private static TcpKeepAlive? ReadKeepAlive(FieldReader owner) => owner.Object("tcpKeepalive") is { } keepAlive
        ? new TcpKeepAlive(Positive(keepAlive, "time"), Positive(keepAlive, "interval"), keepAlive.Integer("probes", 0, int.MaxValue) is > 0 and var probes ? probes : null)
        : null;

    private static OutlierDetection ReadOutlierDetection(FieldReader outliers)
    {
        var defaults = new OutlierDetection();
        return new OutlierDetection
        {
            // The older name says the same of what a gateway answers.
            Consecutive5xxErrors = outliers.Integer("consecutive5xxErrors", 0, int.MaxValue) ?? defaults.Consecutive5xxErrors,
            ConsecutiveGatewayErrors = outliers.Integer("consecutiveGatewayErrors", 0, int.MaxValue) ?? outliers.Integer("consecutiveErrors", 0, int.MaxValue) ?? 0,
            SplitsLocalOriginErrors = outliers.Boolean("splitExternalLocalOriginErrors") ?? false,
            ConsecutiveLocalOriginFailures = outliers.Integer("consecutiveLocalOriginFailures", 0, int.MaxValue) ?? defaults.ConsecutiveLocalOriginFailures,
            Interval = Positive(outliers, "interval") ?? defaults.Interval,
            BaseEjectionTime = Positive(outliers, "baseEjectionTime") ?? defaults.BaseEjectionTime,
            MaxEjectionPercent = outliers.Integer("maxEjectionPercent", 0, 100) is > 0 and var most ? most : defaults.MaxEjectionPercent,
            MinHealthPercent = outliers.Integer("minHealthPercent", 0, 100) ?? 0,
            ErrorCodes = [.. outliers.Integers("outlierDetectionHttpErrorCodes", 100, 599)],
        };
    }

    /// <summary>A limit; 0 says nothing, as everywhere in Istio's pools.</summary>
    private static int? Limit(FieldReader fields, string field) => fields.Integer(field, 0, int.MaxValue) is > 0 and var limit ? limit : null;

    private static TimeSpan? Positive(FieldReader fields, string field) => Durations.Read(fields, field) is { } time && time > TimeSpan.Zero ? time : null;

    private static double? ReadNumber(FieldReader fields, string field, double min, double max)
    {
        if (fields.Find(field) is not { } node)
        {
            return null;
        }

        if (node is YamlScalar { IsPlain: true } scalar && double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }

        fields.Error(field, $"expected a number from {min} to {max}, found {node.Describe()}");
        return null;
    }

    private static bool IsPrime(int number)
    {
        for (var divisor = 2; (long)divisor * divisor <= number; divisor++)
        {
            if (number % divisor == 0)
            {
                return false;
            }
        }

        return number > 1;
    }
}
