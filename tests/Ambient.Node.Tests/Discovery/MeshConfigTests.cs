using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Istio's MeshConfig in a folder: the ConfigMap <c>istio</c> of the root namespace, read as strictly as policies are.</summary>
public sealed class MeshConfigTests
{
    /// <summary>What an installation with the ambient profile has.</summary>
    private const string Installed = """
        accessLogFile: /dev/stdout
        defaultConfig:
          discoveryAddress: istiod.istio-system.svc:15012
          proxyMetadata: {ISTIO_META_ENABLE_HBONE: "true"}
        defaultProviders:
          metrics: [prometheus]
        enablePrometheusMerge: true
        extensionProviders:
        - {name: authz, envoyExtAuthzGrpc: {service: authz.default.svc.cluster.local, port: 9000}}
        - {name: traces, zipkin: {service: zipkin.default.svc.cluster.local, port: 9411}}
        - {name: others, skywalking: {service: skywalking.default.svc.cluster.local, port: 11800}}
        rootNamespace: istio-system
        trustDomain: cluster.local
        """;

    [Fact]
    public void Installed_Loads_AndNamesWhatIsNotSupported()
    {
        var load = ManifestLoader.LoadText("mesh.yaml", ConfigMap($"{Installed}\npathNormalization: {{normalization: MERGE_SLASHES}}\ntrustDomainAliases: [old.example, older.example]"));
        Assert.Empty(load.Errors.Items);
        Assert.Equal(["MeshConfig extensionProviders.skywalking"], load.Unsupported.Select(use => $"{use.Kind} {use.Field}"));
        Assert.DoesNotContain("ConfigMap", load.Skipped.Keys);

        var requests = MeshTranslator.Translate(load.Objects, new TranslationOptions()).Requests;
        Assert.Equal(["old.example", "older.example"], requests.TrustDomainAliases.AsEnumerable());
        Assert.Equal(PathNormalization.MergeSlashes, requests.PathNormalization);
        Assert.True(requests.LogsAccess);
        Assert.Equal(["authz"], requests.ExternalAuthorizers.Keys);
    }

    [Fact]
    public void ExternalAuthorizers_AreReadWithEveryField()
    {
        var authorizers = Translate(ConfigMap("""
            extensionProviders:
            - name: http
              envoyExtAuthzHttp:
                service: app/authz.example
                port: 8000
                timeout: 600ms
                pathPrefix: /check
                statusOnError: '503'
                includeHeadersInCheck: [x-old]
                includeRequestHeadersInCheck: [cookie, x-ext-*, "*-id"]
                includeAdditionalHeadersInCheck: {x-from: waypoint}
                includeRequestBodyInCheck: {maxRequestBytes: 4096, allowPartialMessage: true, packAsBytes: true}
                headersToUpstreamOnAllow: [x-user, x-meta-*]
                headersToDownstreamOnDeny: [set-cookie]
                headersToDownstreamOnAllow: [x-ok]
            - name: grpc
              envoyExtAuthzGrpc: {service: authz.app.svc.cluster.local, port: 9000, failOpen: true, clearRouteCache: true}
            """)).Requests.ExternalAuthorizers;

        Assert.Equal(
            new ExternalAuthorizer
            {
                Name = "http",
                Protocol = ExternalAuthorizerProtocol.Http,
                ServiceNamespace = "app",
                Hostname = "authz.example",
                Port = 8000,
                Timeout = TimeSpan.FromMilliseconds(600),
                PathPrefix = "/check",
                StatusOnError = 503,
                RequestHeaders = [new(StringMatchKind.Exact, "x-old"), new(StringMatchKind.Exact, "cookie"), new(StringMatchKind.Prefix, "x-ext-"), new(StringMatchKind.Suffix, "-id")],
                AdditionalHeaders = [new NamedValue("x-from", "waypoint")],
                Body = new CheckedBody(4096, AllowPartial: true, AsBytes: true),
                HeadersToUpstreamOnAllow = [new(StringMatchKind.Exact, "x-user"), new(StringMatchKind.Prefix, "x-meta-")],
                HeadersToDownstreamOnDeny = [new(StringMatchKind.Exact, "set-cookie")],
                HeadersToDownstreamOnAllow = [new(StringMatchKind.Exact, "x-ok")],
            },
            authorizers["http"]);
        Assert.Equal(
            new ExternalAuthorizer { Name = "grpc", Protocol = ExternalAuthorizerProtocol.Grpc, Hostname = "authz.app.svc.cluster.local", Port = 9000, FailOpen = true, ClearRouteCache = true },
            authorizers["grpc"]);
    }

    [Theory]
    [InlineData("{name: a, envoyExtAuthzGrpc: {port: 1}}", "extensionProviders[0].envoyExtAuthzGrpc.service", "missing")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a, port: 0}}", "extensionProviders[0].envoyExtAuthzGrpc.port", "1 to 65535")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a/b/c, port: 1}}", "extensionProviders[0].envoyExtAuthzGrpc.service", "namespace/hostname")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a, port: 1, timeout: never}}", "extensionProviders[0].envoyExtAuthzGrpc.timeout", "not a duration")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a, port: 1, timeout: 0s}}", "extensionProviders[0].envoyExtAuthzGrpc.timeout", "from 1ms")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a, port: 1, statusOnError: '99'}}", "extensionProviders[0].envoyExtAuthzGrpc.statusOnError", "not a status")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a, port: 1, failClosed: true}}", "extensionProviders[0].envoyExtAuthzGrpc.failClosed", "unknown field")]
    [InlineData("{name: a, envoyExtAuthzGrpc: {service: a, port: 1, includeRequestBodyInCheck: {}}}", "extensionProviders[0].envoyExtAuthzGrpc.includeRequestBodyInCheck.maxRequestBytes", "missing")]
    [InlineData("{name: a, envoyExtAuthzHttp: {service: a, port: 1, pathPrefix: check}}", "extensionProviders[0].envoyExtAuthzHttp.pathPrefix", "beginning of a path")]
    [InlineData("{name: a, envoyExtAuthzHttp: {service: a, port: 1, headersToUpstreamOnAllow: ['*']}}", "extensionProviders[0].envoyExtAuthzHttp.headersToUpstreamOnAllow[0]", "name of a header")]
    [InlineData("{name: a, envoyExtAuthzHttp: {service: a, port: 1, includeAdditionalHeadersInCheck: {'x y': z}}}", "extensionProviders[0].envoyExtAuthzHttp.includeAdditionalHeadersInCheck.x y", "not a header")]
    [InlineData("{envoyExtAuthzHttp: {service: a, port: 1}}", "extensionProviders[0].name", "missing")]
    public void ExternalAuthorizer_ThatIsWrong_IsAnErrorOfItsField(string provider, string field, string message)
    {
        var load = ManifestLoader.LoadText("mesh.yaml", ConfigMap($"extensionProviders:\n- {provider}"));

        var error = Assert.Single(load.Errors.Items);
        Assert.Equal($"data.mesh: {field}", error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ExternalAuthorizers_OfOneName_AreAnError() => Assert.Contains(
        "two providers are named",
        Assert.Single(ManifestLoader.LoadText("mesh.yaml", ConfigMap("extensionProviders:\n- {name: a, stackdriver: {}}\n- {name: a, envoyExtAuthzGrpc: {service: a, port: 1}}")).Errors.Items).Message,
        StringComparison.Ordinal);

    [Fact]
    public void NumTrustedProxies_IsTheMeshs_AndAGatewaysAnnotationsGoBeforeIt()
    {
        var gateways = Translate(ConfigMap("defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}") + Gateway("plain", "") + Gateway("own", "annotations: {proxy.istio.io/config: '{gatewayTopology: {numTrustedProxies: 1}}'}")).Requests.Gateways;

        Assert.Equal((2, 1), (gateways["app/plain"].NumTrustedProxies, gateways["app/own"].NumTrustedProxies));
        Assert.Contains(
            "numTrustedProxies",
            Assert.Single(ManifestLoader.LoadText("gw.yaml", Gateway("wrong", "annotations: {proxy.istio.io/config: '{gatewayTopology: {numTrustedProxies: -1}}'}")).Errors.Items).Message,
            StringComparison.Ordinal);

        static string Gateway(string name, string metadata) => $$"""

            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata:
              name: {{name}}
              namespace: app
              {{metadata}}
            spec:
              gatewayClassName: istio
              listeners: [{name: http, port: 80, protocol: HTTP}]

            """;
    }

    [Fact]
    public void GatewayOfPods_IsAsTheirAnnotationSays_BeforeTheMesh()
    {
        const string Gateway = """

            ---
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: app}
            spec: {selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: edge, namespace: app, labels: {app: edge}, annotations: {proxy.istio.io/config: '{gatewayTopology: {numTrustedProxies: 1, proxyProtocol: {}}}'}}
            spec: {containers: [{name: c, image: i}]}

            """;
        var gateway = Translate(ConfigMap("defaultConfig: {gatewayTopology: {numTrustedProxies: 2}, proxyHeaders: {attemptCount: {disabled: true}}}") + Gateway).Requests.Gateways["app/edge"];
        Assert.Equal((1, true, false), (gateway.NumTrustedProxies, gateway.ExpectsProxyHeader, gateway.Headers.AttemptCount));
        Assert.Contains(
            "numTrustedProxies",
            Assert.Single(ManifestLoader.LoadText("gw.yaml", Gateway.Replace("numTrustedProxies: 1", "numTrustedProxies: -1", StringComparison.Ordinal)).Errors.Items).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("accessLogFile: \"\"", false)]
    [InlineData("accessLogFile: /dev/stdout", true)]
    [InlineData("trustDomain: cluster.local", true)]
    public void AccessLogFile_TurnsTheLogOnOrOff(string config, bool logs) => Assert.Equal(logs, Translate(ConfigMap(config)).Requests.LogsAccess);

    [Theory]
    [InlineData("DEFAULT", PathNormalization.Base)]
    [InlineData("BASE", PathNormalization.Base)]
    [InlineData("NONE", PathNormalization.None)]
    [InlineData("DECODE_AND_MERGE_SLASHES", PathNormalization.DecodeAndMergeSlashes)]
    public void PathNormalization_IsWhatItSays(string text, PathNormalization expected) =>
        Assert.Equal(expected, Translate(ConfigMap($"pathNormalization: {{normalization: {text}}}")).Requests.PathNormalization);

    [Fact]
    public void RootNamespace_IsWhereMeshWidePoliciesStand()
    {
        const string Policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny-all, namespace: policies}\nspec: {}\n";
        Assert.Equal(PolicyScope.Namespace, Assert.Single(Translate(ConfigMap("trustDomain: cluster.local") + Policy).Policies).Scope);

        var mesh = Translate(ConfigMap("rootNamespace: policies") + Policy);
        Assert.Equal(PolicyScope.Global, Assert.Single(mesh.Policies).Scope);
        Assert.Equal("policies", mesh.Requests.RootNamespace);
    }

    [Theory]
    [InlineData("trustDomainAlias: [a.example]", "data.mesh: trustDomainAlias: unknown field", "did you mean \"trustDomainAliases\"?", 6)]
    [InlineData("rootNamespace: policies\ntrustDomainAliases: a.example", "data.mesh: trustDomainAliases: expected a list", "", 7)]
    [InlineData("trustDomainAliases: [a.example, \"*\"]", "data.mesh: trustDomainAliases[1]: \"*\" is not a trust domain", "", 6)]
    [InlineData("trustDomain: Cluster.Local", "data.mesh: trustDomain: \"Cluster.Local\" is not a trust domain", "", 6)]
    [InlineData("pathNormalization: {normalization: MERGE}", "data.mesh: pathNormalization.normalization: \"MERGE\" is not known", "MERGE_SLASHES", 6)]
    [InlineData("accessLogFile: /var/log/access", "data.mesh: accessLogFile: \"/var/log/access\" is not supported", "/dev/stdout", 6)]
    [InlineData("rootNamespace: [a]", "data.mesh: rootNamespace: expected a string", "", 6)]
    [InlineData("a: [", "data.mesh: ", "", 6)]
    [InlineData("- a", "data.mesh: expected a MeshConfig, found a list", "", 6)]
    public void Wrong_IsAnErrorWithTheLineOfTheFile(string config, string error, string hint, int line)
    {
        var found = Assert.Single(ManifestLoader.LoadText("mesh.yaml", ConfigMap(config)).Errors.Items);
        Assert.Contains($"ConfigMap istio-system/istio: {error}", found.ToString(), StringComparison.Ordinal);
        Assert.Contains(hint, found.Message, StringComparison.Ordinal);
        Assert.InRange(found.Line, line, line + 1);
    }

    [Fact]
    public void DefaultsOfConnectionsRetriesAndLocalities_AreWhatItSays_AndRulesGoBeforeThem()
    {
        var requests = Translate(ConfigMap("""
            connectTimeout: 3s
            tcpKeepalive: {time: 60s, probes: 4}
            h2UpgradePolicy: UPGRADE
            localityLbSetting: {enabled: true, failover: [{from: a, to: b}]}
            defaultHttpRetryPolicy: {attempts: 5, retryOn: "5xx,429", perTryTimeout: 2s, retryRemoteLocalities: true}
            """)).Requests;
        Assert.Equal(new ConnectionPoolSettings { ConnectTimeout = TimeSpan.FromSeconds(3), KeepAlive = new TcpKeepAlive(TimeSpan.FromSeconds(60), null, 4), UpgradesToHttp2 = true }, requests.ConnectionDefaults);
        Assert.Equal(new RegionFailover("a", "b"), Assert.Single(requests.LocalityDefaults!.Failover));
        Assert.Equal((5, RetryConditions.ServerError, true, TimeSpan.FromSeconds(2)), (requests.DefaultRetry!.Attempts, requests.DefaultRetry.Conditions, requests.DefaultRetry.PrefersOtherLocalities, requests.DefaultTryTimeout));
        Assert.Equal(429, Assert.Single(requests.DefaultRetry.StatusCodes));

        var service = new MeshService { Name = "a", Namespace = "app", Hostname = "a.app.svc.cluster.local" };
        var client = new Workload { Uid = "c", Name = "c", Namespace = "app" };
        BackendPolicy Of(ConnectionPoolSettings? pool) => BackendPolicy.Of(
            new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(requests with
            {
                DestinationRules = requests.DestinationRules.SetItem("app/r", new DestinationRule { Name = "r", Namespace = "app", Host = service.Hostname, Policy = new TrafficPolicy { ConnectionPool = pool } }),
            }).Build(), client, service, 80, null);
        Assert.Equal(requests.ConnectionDefaults, Of(null).ConnectionPool);
        Assert.Equal(requests.LocalityDefaults, Of(null).Balancer.Locality);
        var own = Of(new ConnectionPoolSettings { ConnectTimeout = TimeSpan.FromSeconds(1), KeepsHttp1 = true }).ConnectionPool!;
        Assert.Equal((TimeSpan.FromSeconds(1), false, requests.ConnectionDefaults!.KeepAlive), (own.ConnectTimeout!.Value, own.UpgradesToHttp2, own.KeepAlive));
    }

    [Fact]
    public void OtherConfigMaps_AreSkippedAsBefore()
    {
        var load = ManifestLoader.LoadText("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata: {other: x}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {mesh: \"nonsense: true\"}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Equal(2, load.Skipped["ConfigMap"]);
    }

    [Fact]
    public void MeshNetworks_AreNamed_UnlessThereAreNone()
    {
        Assert.Empty(ManifestLoader.LoadText("a.yaml", $"{ConfigMap("{}")}  meshNetworks: 'networks: {{}}'\n").Unsupported);
        var use = Assert.Single(ManifestLoader.LoadText("a.yaml", $"{ConfigMap("{}")}  meshNetworks: 'networks: {{a: {{}}}}'\n").Unsupported);
        Assert.Equal("meshNetworks", use.Field);
    }

    [Fact]
    public void Edit_OfTheMeshConfig_ChangesWhatItSays_AndIsUndoneByItsDeletion()
    {
        using var folder = new ChangingFolder();
        folder.Write("pods.yaml", ChangingFolder.Deployment("app", 1));
        folder.Write("mesh.yaml", ConfigMap("trustDomainAliases: [a.example]"));
        var first = folder.Read();
        folder.Write("mesh.yaml", ConfigMap("trustDomainAliases: [b.example]"));
        Assert.Equal(["b.example"], folder.Read().Requests.TrustDomainAliases.AsEnumerable());
        folder.Delete("mesh.yaml");
        Assert.Empty(folder.Read().Requests.TrustDomainAliases);
        Assert.Same(first.Workloads, folder.Store.Current.Workloads);
    }

    private static string ConfigMap(string config) =>
        $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {config.ReplaceLineEndings("\n    ")}\n";

    private static MeshTranslation Translate(string yaml) => ManifestText.Translate(yaml);
}
