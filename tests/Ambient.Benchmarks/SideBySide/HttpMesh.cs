using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>One service behind one waypoint for each thing that a request may be asked, all before the same pod.</summary>
internal sealed class HttpMesh
{
    /// <summary>Nothing is asked: what the engine itself costs.</summary>
    internal const string Plain = "plain";

    /// <summary>A verified token is asked for.</summary>
    internal const string Jwt = "jwt";

    /// <summary>An external authorizer is asked, over HTTP.</summary>
    internal const string ExternallyAuthorized = "ext";

    /// <summary>A copy is sent to whom the external authorizer is: what one more exchange with an endpoint costs.</summary>
    internal const string Mirrored = "mirror";

    private const string Issuer = "https://issuer.bench";
    private static readonly int[] s_sizes = [100, 10_000];
    private readonly string _keys;

    internal HttpMesh()
    {
        using var rsa = RSA.Create(2048);
        var key = rsa.ExportParameters(includePrivateParameters: false);
        _keys = $$"""{"keys":[{"kty":"RSA","kid":"bench","alg":"RS256","use":"sig","n":"{{Base64(key.Modulus!)}}","e":"{{Base64(key.Exponent!)}}"}]}""";
        var content = Base64("""{"alg":"RS256","kid":"bench","typ":"JWT"}"""u8) + "."
            + Base64(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $$"""{"iss":"{{Issuer}}","sub":"bench","exp":{{DateTimeOffset.UtcNow.AddHours(12).ToUnixTimeSeconds()}}}""")));
        Token = content + "." + Base64(rsa.SignData(Encoding.UTF8.GetBytes(content), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
    }

    /// <summary>The services that are asked for, the plain one first.</summary>
    internal static string[] Services { get; } =
        [Plain, .. s_sizes.Select(PoliciesOf), .. s_sizes.Select(RoutesOf), Jwt, ExternallyAuthorized, Mirrored];

    /// <summary>The token that <see cref="Jwt"/> asks for.</summary>
    internal string Token { get; }

    /// <summary>The service with that many policies.</summary>
    internal static string PoliciesOf(int count) => string.Create(CultureInfo.InvariantCulture, $"policies-{count}");

    /// <summary>The service with that many routes.</summary>
    internal static string RoutesOf(int count) => string.Create(CultureInfo.InvariantCulture, $"routes-{count}");

    /// <summary>Where a service is asked.</summary>
    internal static string UrlOf(string service, string path = "/api/7/orders") => $"http://{AddressOf(service)}{path}";

    /// <summary>The manifests, with those of <see cref="Manifests.WaypointMesh"/>.</summary>
    internal string Text()
    {
        var text = new StringBuilder(Manifests.WaypointMesh);
        foreach (var service in Services)
        {
            Add(Manifests.Service(
                "bench", service, AddressOf(service), "app: server", "{name: http, port: 80, targetPort: 8080, protocol: TCP}", "{istio.io/use-waypoint: waypoint}"));
        }

        Add(Manifests.Service("bench", "authz", "10.96.1.100", "app: server", "{name: http, port: 80, targetPort: 8080, protocol: TCP}"));
        Add("""
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                extensionProviders:
                - name: authz
                  envoyExtAuthzHttp: {service: authz.bench.svc.cluster.local, port: 80}
            """);
        Add(Policy("ext", ExternallyAuthorized, "CUSTOM", "{}", "\n  provider: {name: authz}"));
        Add($$"""
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: jwt, namespace: bench}
            spec:
              targetRefs: [{group: "", kind: Service, name: {{Jwt}}}]
              jwtRules: [{issuer: "{{Issuer}}", jwks: '{{_keys}}'}]
            """);
        Add(Policy("jwt", Jwt, "ALLOW", "{from: [{source: {requestPrincipals: [\"*\"]}}]}"));
        Add($"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata:
              name: mirror
              namespace: bench
            spec:
              parentRefs:
              - group: ""
                kind: Service
                name: {Mirrored}
                port: 80
              rules:
              - filters:
                - type: RequestMirror
                  requestMirror:
                    backendRef:
                      name: authz
                      port: 80
                backendRefs:
                - name: {Mirrored}
                  port: 80
            """);
        foreach (var size in s_sizes)
        {
            for (var i = 0; i < size; i++)
            {
                Add(Policy($"p-{size}-{i}", PoliciesOf(size), i % 10 == 1 ? "DENY" : "ALLOW", (i % 5) switch
                {
                    _ when i == 7 => "{to: [{operation: {paths: [\"/api/7/*\"], methods: [GET, POST]}}]}",
                    0 => $"{{from: [{{source: {{principals: [cluster.local/ns/bench/sa/client-{i}]}}}}]}}",
                    1 => $"{{from: [{{source: {{principals: [cluster.local/ns/bench/sa/bad-{i}]}}}}], to: [{{operation: {{methods: [GET]}}}}]}}",
                    2 => $"{{to: [{{operation: {{paths: [\"/api/{i}/*\"], methods: [GET]}}}}]}}",
                    3 => $"{{when: [{{key: \"request.headers[x-tenant]\", values: [tenant-{i}]}}]}}",
                    _ => $"{{to: [{{operation: {{paths: [\"/static/{i}/{{**}}\"]}}}}]}}",
                }));
                Add($$$"""
                    apiVersion: gateway.networking.k8s.io/v1
                    kind: HTTPRoute
                    metadata: {name: r-{{{size}}}-{{{i}}}, namespace: bench}
                    spec:
                      parentRefs: [{group: "", kind: Service, name: {{{RoutesOf(size)}}}, port: 80}]
                      rules: [{matches: [{path: {type: PathPrefix, value: "/api/{{{i}}}"}}], backendRefs: [{name: {{{RoutesOf(size)}}}, port: 80}]}]
                    """);
            }
        }

        return text.ToString();

        void Add(string manifest) => text.Append("---\n").Append(manifest).Append('\n');
    }

    private static string AddressOf(string service) => $"10.96.1.{Array.IndexOf(Services, service) + 1}";

    private static string Policy(string name, string service, string action, string rule, string more = "") => $$"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: {{name}}, namespace: bench}
        spec:
          targetRefs: [{group: "", kind: Service, name: {{service}}}]
          action: {{action}}
          rules: [{{rule}}]{{more}}
        """;

    private static string Base64(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
