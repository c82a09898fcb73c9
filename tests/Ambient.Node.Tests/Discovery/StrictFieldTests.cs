using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Kinds;

namespace Ambient.Node.Tests.Discovery;

/// <summary>What is written and not known is an error with its place and the word that was meant; nothing is left out in silence.</summary>
public sealed class StrictFieldTests
{
    private const string Gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\n";
    private const string Route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n";
    private const string Grant = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: a}\n";
    private const string Entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\n";
    private const string Virtual = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n";
    private const string Service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n";

    [Theory]
    [InlineData(Route + "spec: {rules: [{matches: [{header: [{name: x, value: y}]}]}]}", "spec.rules[0].matches[0].header", "did you mean \"headers\"?")]
    [InlineData(Route + "spec: {rules: [{backendRefs: [{name: b, port: 80, wieght: 0}]}]}", "spec.rules[0].backendRefs[0].wieght", "did you mean \"weight\"?")]
    [InlineData(Route + "spec: {rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {sets: []}}]}]}", "spec.rules[0].filters[0].requestHeaderModifier.sets", "did you mean \"set\"?")]
    [InlineData(Route + "spec: {rules: [{filters: [{type: RequestHeaderModifierr}]}]}", "spec.rules[0].filters[0].type", "did you mean \"RequestHeaderModifier\"?")]
    [InlineData(Route + "spec: {rules: [{matches: [{method: get}]}]}", "spec.rules[0].matches[0].method", "did you mean \"GET\"?")]
    [InlineData(Route + "spec: {rules: [{backendRefs: [{name: b, port: '80'}]}]}", "spec.rules[0].backendRefs[0].port", "expected a whole number, found \"80\"")]
    [InlineData(Route + "spec: {hostname: [a.example]}", "spec.hostname", "did you mean \"hostnames\"?")]
    [InlineData(Route + "spec: {hostnames: a.example}", "spec.hostnames", "expected a list")]
    [InlineData(Route + "spce: {}", "spce", "did you mean \"spec\"?")]
    [InlineData(Grant + "spec: {from: [], to: [{group: '', kind: Service, nam: public}]}", "spec.to[0].nam", "did you mean \"name\"?")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabel: {a: b}}}}}]}", "spec.listeners[0].allowedRoutes.namespaces.selector.matchLabel", "did you mean \"matchLabels\"?")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP, hostName: a.example}]}", "spec.listeners[0].hostName", "did you mean \"hostname\"?")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kinds: GRPCRoute}]}}]}", "spec.listeners[0].allowedRoutes.kinds[0].kinds", "did you mean \"kind\"?")]
    [InlineData(Entry + "spec: {hosts: [a.example], ports: [{number: 80, protcol: HTTP}]}", "spec.ports[0].protcol", "did you mean \"protocol\"?")]
    [InlineData(Entry + "spec: {hosts: [a.example], workloadSelector: {matchLabels: {a: b}}}", "spec.workloadSelector.matchLabels", "expected one of labels")]
    [InlineData(Virtual + "spec: {hosts: [a], http: [{route: [{destination: {host: a}, wieght: 1}]}]}", "spec.http[0].route[0].wieght", "did you mean \"weight\"?")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, trafficPolicy: {tsl: {mode: SIMPLE}}}", "spec.trafficPolicy.tsl", "did you mean \"tls\"?")]
    [InlineData("apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a}\nspec: {jwtRules: [{issuer: a, jwksUrl: b}]}", "spec.jwtRules[0].jwksUrl", "did you mean \"jwksUri\"?")]
    [InlineData("apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: a}\nspec: {tracings: []}", "spec.tracings", "did you mean \"tracing\"?")]
    [InlineData("apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: a}\nspec: {uri: a}", "spec.uri", "did you mean \"url\"?")]
    [InlineData("apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: a}\nspec: {targetRef: []}", "spec.targetRef", "did you mean \"targetRefs\"?")]
    [InlineData("apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\nmetadata: {name: a}\nspec: {targetRefz: []}", "spec.targetRefz", "did you mean \"targetRefs\"?")]
    [InlineData("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicyy\nmetadata: {name: a}", "kind", "did you mean \"AuthorizationPolicy\"?")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}", "kind", "PeerAuthentication is a kind of security.istio.io")]
    [InlineData("apiVersion: v1\nkind: Servise\nmetadata: {name: a}", "kind", "did you mean \"Service\"?")]
    [InlineData("apiVersion: v1\nkind: Deployment\nmetadata: {name: a}", "kind", "Deployment is a kind of apps")]
    [InlineData("apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: a}", "kind", "did you mean \"Deployment\"?")]
    [InlineData("apiVersion: security.istio.oi/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}", "apiVersion", "did you mean \"security.istio.io/v1\"?")]
    [InlineData("apiVersion: security.istio.io\nkind: AuthorizationPolicy\nmetadata: {name: a}", "apiVersion", "did you mean \"security.istio.io/v1\"?")]
    [InlineData("apiVersion: security.istio.io/v11\nkind: AuthorizationPolicy\nmetadata: {name: a}", "apiVersion", "expected security.istio.io/v1, security.istio.io/v1beta1")]
    [InlineData(Service + "spec: {slector: {a: b}}", "spec.slector", "did you mean \"selector\"?")]
    [InlineData(Service + "spec: {ports: [{port: 80, targetport: 8080}]}", "spec.ports[0].targetport", "did you mean \"targetPort\"?")]
    [InlineData(Service + "spec: {ports: [{port: '80'}]}", "spec.ports[0].port", "whole number")]
    [InlineData("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, lables: {istio.io/dataplane-mode: ambient}}", "metadata.lables", "did you mean \"labels\"?")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {serviceAcountName: b}", "spec.serviceAcountName", "did you mean \"serviceAccountName\"?")]
    [InlineData("apiVersion: v1\nkind: List\nitem: [{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a}}]", "item", "did you mean \"items\"?")]
    [InlineData("apiVersion: v1\nkind: ServiceList\nitem: [{metadata: {name: a}}]", "item", "did you mean \"items\"?")]
    [InlineData("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, ns: app}\nspec: {action: DENY, rules: [{}]}", "metadata.ns", "expected one of name, namespace")]
    [InlineData("apiVersion: istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}", "apiVersion", "did you mean \"security.istio.io/v1\"?")]
    [InlineData("apiVersion: gateway.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}", "apiVersion", "did you mean \"gateway.networking.k8s.io/v1\"?")]
    [InlineData("apiVersion: networking.x-k8s.io/v1\nkind: Gateway\nmetadata: {name: a}", "apiVersion", "did you mean \"gateway.networking.k8s.io/v1\"?")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: http}]}", "spec.listeners[0].protocol", "did you mean \"HTTP\"?")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoutes}]}}]}", "spec.listeners[0].allowedRoutes.kinds[0].kind", "did you mean \"GRPCRoute\"?")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{kind: Secert, name: a}]}}]}", "spec.listeners[0].tls.certificateRefs[0].kind", "did you mean \"Secret\"?")]
    [InlineData(Route + "spec: {parentRefs: [{kind: Gatewya, name: a}]}", "spec.parentRefs[0].kind", "did you mean \"Gateway\"?")]
    [InlineData(Route + "spec: {parentRefs: [{group: gateway.k8s.io, kind: Gateway, name: a}]}", "spec.parentRefs[0].group", "did you mean \"gateway.networking.k8s.io\"?")]
    [InlineData(Route + "spec: {rules: [{backendRefs: [{kind: Servicee, name: a, port: 80}]}]}", "spec.rules[0].backendRefs[0].kind", "did you mean \"Service\"?")]
    [InlineData(Route + "spec: {rules: [{backendRefs: [{group: apps, kind: Service, name: a, port: 80}]}]}", "spec.rules[0].backendRefs[0].kind", "Service is a kind of core")]
    [InlineData(Grant + "spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRout, namespace: b}], to: [{group: '', kind: Service}]}", "spec.from[0].kind", "did you mean \"HTTPRoute\"?")]
    [InlineData(Grant + "spec: {from: [], to: [{group: '', kind: service, name: a}]}", "spec.to[0].kind", "did you mean \"Service\"?")]
    [InlineData(Grant + "spec: {from: [], to: [{group: '', kind: Service, name: ''}]}", "spec.to[0].name", "empty")]
    [InlineData("apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: a}\nspec: {targetRefs: [{group: '', kind: Whatever, name: a}], validation: {hostname: a.example}}", "spec.targetRefs[0].kind", "no kind \"Whatever\"")]
    [InlineData("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {metadata: {lables: {a: b}}}}", "spec.template.metadata.lables", "did you mean \"labels\"?")]
    [InlineData("apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {ordinal: {start: 1}, template: {}}", "spec.ordinal", "did you mean \"ordinals\"?")]
    [InlineData("apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {paralelism: 2, template: {}}", "spec.paralelism", "did you mean \"parallelism\"?")]
    [InlineData("apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {spec: {containrs: []}}}", "spec.template.spec.containrs", "did you mean \"containers\"?")]
    [InlineData("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {suspnd: true, jobTemplate: {spec: {template: {}}}}", "spec.suspnd", "did you mean \"suspend\"?")]
    [InlineData("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {metadata: {label: {a: b}}}}}}", "spec.jobTemplate.spec.template.metadata.label", "did you mean \"labels\"?")]
    [InlineData("apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a}\nspec: {replica: 2, template: {}}", "spec.replica", "did you mean \"replicas\"?")]
    [InlineData("apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\nsubset: [{addresses: [{ip: 127.0.0.1}]}]", "subset", "did you mean \"subsets\"?")]
    [InlineData("apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\nsubsets: [{adresses: [{ip: 127.0.0.1}]}]", "subsets[0].adresses", "did you mean \"addresses\"?")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{ports: [{containerPort: 80, protocol: tcp}]}]}", "spec.containers[0].ports[0].protocol", "did you mean \"TCP\"?")]
    [InlineData("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\nports: [{port: 80, protocol: tcp}]", "ports[0].protocol", "did you mean \"TCP\"?")]
    public void Unknown_Word_IsAnErrorWithTheOneThatWasMeant(string yaml, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors(yaml), error => error.Field == field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.True(error.Line > 0 && error.Column > 0);
    }

    [Theory]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {}}}}]}")]
    [InlineData(Route + "spec: {parentRefs: null, rules: [{name: x, timeouts: {request: 1s}}]}\nstatus: {whatever: [1]}")]
    [InlineData(Service + "spec: {sessionAffinity: None, sessionAffinityConfig: {}, ports: [{port: 80, nodePort: 30000}]}\nstatus: {loadBalancer: {}}")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a, managedFields: [], selfLink: x}\nspec: {priority: 0, tolerations: [], dnsPolicy: ClusterFirst, containers: [{name: a, tty: true, resources: {}}]}")]
    [InlineData("apiVersion: example.org/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {anything: 1}")]
    [InlineData("apiVersion: policy.linkerd.io/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {name: a, ns: b}\nspec: {anything: 1}")]
    [InlineData("apiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceImport\nmetadata: {name: a}")]
    [InlineData(Route + "spec: {rules: [{backendRefs: [{group: networking.istio.io, kind: Hostname, name: a.example, port: 80}, {group: inference.networking.k8s.io, kind: InferencePool, name: a}, {group: core, kind: WrongKind, name: a}]}]}")]
    [InlineData(Gateway + "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: example.org/http}, {name: b, port: 81, protocol: HTTP3, allowedRoutes: {kinds: [{kind: InvalidRoute}]}}]}")]
    [InlineData("apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XListenerSet\nmetadata: {name: a}\nspec: {parentRef: {name: b}, listeners: []}")]
    [InlineData("apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\nspec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {any: {thing: 1}}}}]}")]
    public void Known_AndWhatIsNotOurs_IsTaken(string yaml) => Assert.Empty(ManifestText.Errors(yaml));

    [Fact]
    public void NotSupported_KindsAndFields_AreNamedOnceWithCountAndFirst()
    {
        var load = ManifestLoader.LoadText("a.yaml",
            $$$"""
            {{{Route}}}spec: {useDefaultGateways: All, rules: [{filters: [{type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}}]}, {filters: [{type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}}]}]}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {name: b, namespace: c}
            spec: {rules: [{filters: [{type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}}]}]}
            ---
            {{{Virtual}}}spec: {hosts: [a], http: [{match: [{sourceLabels: {a: b}}], route: [{destination: {host: a}}]}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: n, namespace: m}
            ---
            {{{Gateway}}}spec: {gatewayClassName: istio, listeners: [{name: a, port: 443, protocol: UDP, tls: {mode: Terminate, options: {a: b} } } ] }
            """);
        Assert.Empty(load.Errors.Items);
        Assert.Equal(
            [
                ("Gateway", "spec.listeners.protocol: UDP", 1, "default/a"), ("Gateway", "spec.listeners.tls.options", 1, "default/a"),
                ("HTTPRoute", "spec.rules.filters.extensionRef", 2, "default/a"), ("HTTPRoute", "spec.useDefaultGateways", 1, "default/a"),
                ("NetworkPolicy", "", 1, "m/n"), ("VirtualService", "spec.http.match.sourceLabels", 1, "default/a"),
            ],
            load.Unsupported.Select(use => (use.Kind, use.Field, use.Count, use.FirstObject)));
        Assert.All(load.Unsupported, use => Assert.StartsWith("a.yaml:", use.FirstPlace, StringComparison.Ordinal));
    }

    /// <summary>Every field of every strict kind, one after the other, with one letter changed: always an error that names it.</summary>
    [Fact]
    public void AnyField_Misspelt_IsAnErrorThatNamesIt()
    {
        var fields = 0;
        foreach (var kind in KnownKinds.Groups.Values.Where(group => group.IsStrict).SelectMany(group => group.Schemas.Values))
        {
            foreach (var (path, name) in SchemaSample.Fields(kind))
            {
                fields++;
                var wrong = name.Length > 1 ? name[..^1] + (name[^1] == 'q' ? "w" : "q") : name + "q";
                var errors = ManifestText.Errors(SchemaSample.Write(kind, path, wrong));
                Assert.Contains(errors, error => error.Field.EndsWith(wrong, StringComparison.Ordinal) && error.Message.StartsWith("unknown field", StringComparison.Ordinal));
            }
        }

        Assert.True(fields > 1000, $"{fields} fields");
    }

    /// <summary>Every scalar of every strict kind with a value of another type.</summary>
    [Fact]
    public void AnyValue_OfAnotherType_IsAnErrorThatNamesIt()
    {
        foreach (var kind in KnownKinds.Groups.Values.Where(group => group.IsStrict).SelectMany(group => group.Schemas.Values))
        {
            foreach (var (path, name) in SchemaSample.Fields(kind))
            {
                var schema = path[^1];
                if (schema.Type is FieldType.Any)
                {
                    continue;
                }

                var wrong = schema.Containers.Length > 0 ? "text" : schema.Type is FieldType.String ? "17" : schema.Type is FieldType.IntegerOrString ? "[]" : "'17'";
                var errors = ManifestText.Errors(SchemaSample.Write(kind, path, name, wrong));
                Assert.Contains(errors, error => error.Field.EndsWith(name, StringComparison.Ordinal) && error.Message.StartsWith("expected ", StringComparison.Ordinal));
            }
        }
    }
}
