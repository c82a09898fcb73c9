using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Tests.Discovery;

/// <summary>DestinationRules as they are written: every field, and every mistake with its place.</summary>
public sealed class DestinationRuleTests
{
    private const string Head = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: app}\n";

    [Fact]
    public void Rule_HasEveryField()
    {
        var rule = Read("""
            spec:
              host: A
              exportTo: [".", other]
              workloadSelector: {matchLabels: {app: client}}
              trafficPolicy:
                loadBalancer:
                  simple: ROUND_ROBIN
                  warmup: {duration: 30s, minimumPercent: 20, aggression: 1.5}
                  localityLbSetting:
                    enabled: true
                    distribute:
                    - from: eu/*
                      to: {"eu/*": 80, "us/*": 20}
                connectionPool:
                  tcp: {maxConnections: 10, connectTimeout: 3s, maxConnectionDuration: 10m, tcpKeepalive: {time: 60s, interval: 10s, probes: 3}}
                  http: {http1MaxPendingRequests: 11, http2MaxRequests: 12, maxRequestsPerConnection: 13, maxRetries: 14, idleTimeout: 90s, h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 50}
                outlierDetection:
                  consecutive5xxErrors: 7
                  consecutiveGatewayErrors: 6
                  splitExternalLocalOriginErrors: true
                  consecutiveLocalOriginFailures: 3
                  interval: 1s
                  baseEjectionTime: 2s
                  maxEjectionPercent: 40
                  minHealthPercent: 30
                  outlierDetectionHttpErrorCodes: [429, 503]
                retryBudget: {percent: 12.5, minRetryConcurrency: 4}
                portLevelSettings:
                - port: {number: 81}
                  loadBalancer: {simple: RANDOM}
              subsets:
              - name: v1
                labels: {version: "1"}
                trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}
              - name: v2
            """);
        Assert.Equal("a.app.svc.cluster.local", rule.Host);
        Assert.Equal(["app", "other"], rule.ExportTo.AsEnumerable());
        Assert.Equal("client", rule.WorkloadSelector["app"]);
        Assert.Equal(
            new TrafficPolicy
            {
                Balancer = new BalancerSettings
                {
                    Algorithm = BalancerAlgorithm.RoundRobin,
                    Warmup = new Warmup(TimeSpan.FromSeconds(30), 20, 1.5),
                    Locality = new LocalityBalancing { Distribute = [new LocalityDistribution("eu/*", [new LocalityShare("eu/*", 80), new LocalityShare("us/*", 20)])] },
                },
                ConnectionPool = new ConnectionPoolSettings
                {
                    MaxConnections = 10,
                    ConnectTimeout = TimeSpan.FromSeconds(3),
                    MaxConnectionDuration = TimeSpan.FromMinutes(10),
                    KeepAlive = new TcpKeepAlive(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(10), 3),
                    MaxPendingRequests = 11,
                    MaxRequests = 12,
                    MaxRequestsPerConnection = 13,
                    MaxRetries = 14,
                    IdleTimeout = TimeSpan.FromSeconds(90),
                    UpgradesToHttp2 = true,
                    MaxConcurrentStreams = 50,
                },
                OutlierDetection = new OutlierDetection
                {
                    Consecutive5xxErrors = 7,
                    ConsecutiveGatewayErrors = 6,
                    SplitsLocalOriginErrors = true,
                    ConsecutiveLocalOriginFailures = 3,
                    Interval = TimeSpan.FromSeconds(1),
                    BaseEjectionTime = TimeSpan.FromSeconds(2),
                    MaxEjectionPercent = 40,
                    MinHealthPercent = 30,
                    ErrorCodes = [429, 503],
                },
                RetryBudget = new RetryBudget(12.5, 4),
                Ports = [new PortTrafficPolicy(81, new TrafficPolicy { Balancer = new BalancerSettings { Algorithm = BalancerAlgorithm.Random } })],
            },
            rule.Policy);
        Assert.Equal(["v1", "v2"], rule.Subsets.Select(subset => subset.Name));
        Assert.Equal("1", rule.Subsets[0].Labels["version"]);
        Assert.Equal(BalancerAlgorithm.Passthrough, rule.Subsets[0].Policy?.Balancer?.Algorithm);
        Assert.Null(rule.Subsets[1].Policy);
    }

    [Theory]
    [InlineData("{httpHeaderName: X-User}", HashSource.Header, "x-user", false, 1024)]
    [InlineData("{httpHeaderName: x, minimumRingSize: 99}", HashSource.Header, "x", false, 99)]
    [InlineData("{useSourceIp: true, ringHash: {minimumRingSize: 2048}}", HashSource.SourceAddress, "", false, 2048)]
    [InlineData("{httpQueryParameterName: User, maglev: {}}", HashSource.QueryParameter, "User", true, 65537)]
    [InlineData("{httpQueryParameterName: u, useSourceIp: false, maglev: {tableSize: 101}}", HashSource.QueryParameter, "u", true, 101)]
    [InlineData("{httpCookie: {name: c, ttl: 0s}}", HashSource.Cookie, "c", false, 1024)]
    public void ConsistentHash_HasItsSourceAndTable(string text, HashSource source, string name, bool isMaglev, int size)
    {
        var hash = Read($"spec: {{host: a, trafficPolicy: {{loadBalancer: {{consistentHash: {text}}}}}}}").Policy.Balancer!.ConsistentHash!;
        Assert.Equal((source, name, isMaglev, size), (hash.Source, hash.Name, hash.IsMaglev, hash.TableSize));
        Assert.Equal(source == HashSource.Cookie ? TimeSpan.Zero : null, hash.CookieLifetime);
    }

    [Theory]
    [InlineData("{}", "spec.host", "missing")]
    [InlineData("{host: a.*.example}", "spec.host", "is not a host")]
    [InlineData("{host: '*a'}", "spec.host", "is not a host")]
    [InlineData("{host: a, subsets: [{labels: {}}]}", "spec.subsets[0].name", "missing")]
    [InlineData("{host: a, subsets: [{name: v}, {name: v}]}", "spec.subsets[1].name", "already the name")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}", "spec.trafficPolicy.loadBalancer.simple", "is not known")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}", "spec.trafficPolicy.loadBalancer.consistentHash", "cannot stand beside")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {}}}}", "spec.trafficPolicy.loadBalancer.consistentHash", "found none")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: x}}}}", "spec.trafficPolicy.loadBalancer.consistentHash", "httpHeaderName and useSourceIp")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}}", "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize", "not a prime")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: 'a;b'}}}}}", "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name", "cannot stand in a cookie")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {warmup: {aggression: 1}}}}", "spec.trafficPolicy.loadBalancer.warmup.duration", "missing")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 50}}]}}}}", "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to", "add up to 50")]
    [InlineData("{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}}}", "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0].to", "failed over from")]
    [InlineData("{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}}", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "whole number")]
    [InlineData("{host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: soon}}}}", "spec.trafficPolicy.connectionPool.tcp.connectTimeout", "is not a duration")]
    [InlineData("{host: a, trafficPolicy: {connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}}}", "spec.trafficPolicy.connectionPool.http.useClientProtocol", "cannot stand beside")]
    [InlineData("{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}", "spec.trafficPolicy.outlierDetection.maxEjectionPercent", "0 to 100")]
    [InlineData("{host: a, trafficPolicy: {outlierDetection: {outlierDetectionHttpErrorCodes: [99]}}}", "spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[0]", "100 to 599")]
    [InlineData("{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}", "spec.trafficPolicy.tls.clientCertificate", "missing")]
    [InlineData("{host: a, trafficPolicy: {tls: {mode: SIMPLE, credentialName: a, caCertificates: /b}}}", "spec.trafficPolicy.tls.credentialName", "cannot stand beside")]
    [InlineData("{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, credentialName: a}}}", "spec.trafficPolicy.tls.mode", "the mesh's own")]
    [InlineData("{host: a, trafficPolicy: {tunnel: {targetHost: 'a b', targetPort: 1}}}", "spec.trafficPolicy.tunnel.targetHost", "is not a host")]
    [InlineData("{host: a, trafficPolicy: {tunnel: {targetHost: a}}}", "spec.trafficPolicy.tunnel.targetPort", "missing")]
    [InlineData("{host: a, trafficPolicy: {retryBudget: {percent: 101}}}", "spec.trafficPolicy.retryBudget.percent", "0 to 100")]
    [InlineData("{host: a, trafficPolicy: {portLevelSettings: [{loadBalancer: {simple: RANDOM}}]}}", "spec.trafficPolicy.portLevelSettings[0].port.number", "missing")]
    [InlineData("{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 1}}, {port: {number: 1}}]}}", "spec.trafficPolicy.portLevelSettings[1].port.number", "has settings already")]
    [InlineData("{host: a, subsets: [{name: v, trafficPolicy: {loadBalancer: {simpel: RANDOM}}}]}", "spec.subsets[0].trafficPolicy.loadBalancer.simpel", "did you mean \"simple\"?")]
    public void Mistake_HasItsPlace(string spec, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors($"{Head}spec: {spec}"), error => error.Field == field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.True(error.Line > 0 && error.Column > 0);
    }

    [Fact]
    public void WhatIsNotSupported_IsNamed()
    {
        var load = ManifestLoader.LoadText("a.yaml", Head + "spec: {host: a, trafficPolicy: {tls: {mode: SIMPLE, caCrl: /a}, tunnel: {protocol: POST, targetHost: b, targetPort: 1}, loadBalancer: {zoneAwareLbSetting: {enabled: true}}}}");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(
            ["spec.trafficPolicy.loadBalancer.zoneAwareLbSetting", "spec.trafficPolicy.tls.caCrl", "spec.trafficPolicy.tunnel.protocol: POST"],
            load.Unsupported.Select(use => use.Field));
    }

    [Fact]
    public void Labels_OfPodsAndEntries_AreThoseThatRulesAskFor_AndShared()
    {
        const string Pods = """
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: one, namespace: app, labels: {app: a, version: "1", pod-template-hash: x}}
            status: {podIP: 10.0.0.1}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: two, namespace: app, labels: {app: a, version: "1", pod-template-hash: y}}
            status: {podIP: 10.0.0.2}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: three, namespace: app, labels: {app: a}}
            status: {podIP: 10.0.0.3}
            ---
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: vm, namespace: app, labels: {version: "2"}}
            spec: {address: 10.0.0.4}

            """;
        var labels = ManifestText.Translate(Head + "spec: {host: a, subsets: [{name: v1, labels: {version: '1'}}]}\n" + Pods).Requests.WorkloadLabels;
        Assert.Equal(
            ["Kubernetes//Pod/app/one", "Kubernetes//Pod/app/two", "Kubernetes/networking.istio.io/WorkloadEntry/app/vm"], labels.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["version"], labels["Kubernetes//Pod/app/one"].Keys);
        Assert.Same(labels["Kubernetes//Pod/app/one"], labels["Kubernetes//Pod/app/two"]);
        Assert.Empty(ManifestText.Translate(Pods).Requests.WorkloadLabels);
    }

    [Fact]
    public void Sessions_AreLabelsOfServices()
    {
        var sessions = ManifestText.Translate("""
            apiVersion: v1
            kind: Service
            metadata: {name: a, namespace: app, labels: {istio.io/persistent-session: "sess"}}
            spec: {clusterIP: 10.1.0.1, ports: [{port: 80}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: b, namespace: app, labels: {istio.io/persistent-session: "sess:/shop"}}
            spec: {clusterIP: 10.1.0.2, ports: [{port: 80}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: c, namespace: app, labels: {istio.io/persistent-session-header: X-Sess}}
            spec: {clusterIP: 10.1.0.3, ports: [{port: 80}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: d, namespace: app}
            spec: {clusterIP: 10.1.0.4, ports: [{port: 80}]}
            """).Requests.Sessions;
        Assert.Equal(3, sessions.Count);
        Assert.Equal(new SessionPersistence(true, "sess"), sessions["app/a.app.svc.cluster.local"]);
        Assert.Equal(new SessionPersistence(true, "sess") { Path = "/shop" }, sessions["app/b.app.svc.cluster.local"]);
        Assert.Equal(new SessionPersistence(false, "x-sess"), sessions["app/c.app.svc.cluster.local"]);
    }

    [Theory]
    [InlineData("{type: Header, header: {name: X-S}}", false, "x-s", null)]
    [InlineData("{cookie: {name: s, lifetimeType: Permanent}, absoluteTimeout: 1h}", true, "s", 3600)]
    [InlineData("{type: Cookie, cookie: {name: s}}", true, "s", null)]
    [InlineData("{}", true, "ambient-session", null)]
    public void SessionPersistence_OfARoute_IsRead(string text, bool isCookie, string name, int? seconds)
    {
        var route = Assert.Single(ManifestText.Translate($"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r, namespace: app}}\nspec: {{rules: [{{sessionPersistence: {text}}}]}}").Requests.HttpRoutes.Values);
        Assert.Empty(route.Rules[0].Unsupported);
        var session = Assert.IsType<ForwardAction>(route.Rules[0].Action).Session!;
        Assert.Equal((isCookie, name), (session.IsCookie, session.Name));
        Assert.Equal(seconds is { } lives ? TimeSpan.FromSeconds(lives) : null, session.Lifetime);
    }

    [Fact]
    public void SessionPersistence_PermanentCookie_NeedsATime() => Assert.Contains(
        ManifestText.Errors("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [{sessionPersistence: {cookie: {lifetimeType: Permanent}}}]}"),
        error => error.Field == "spec.rules[0].sessionPersistence.absoluteTimeout");

    [Fact]
    public void MeshConfig_HasDefaultsForRules()
    {
        var policy = ManifestText.Translate("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    defaultTrafficPolicy: {connectionPool: {http: {http2MaxRequests: 9}}, outlierDetection: {consecutive5xxErrors: 2}}\n").Requests.DefaultTrafficPolicy;
        Assert.Equal(9, policy?.ConnectionPool?.MaxRequests);
        Assert.Equal(2, policy?.OutlierDetection?.Consecutive5xxErrors);
    }

    private static DestinationRule Read(string spec) => Assert.Single(ManifestText.Translate(Head + spec, new TranslationOptions()).Requests.DestinationRules.Values);
}
