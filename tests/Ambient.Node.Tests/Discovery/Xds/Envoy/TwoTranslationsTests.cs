using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// The objects of a recorded mesh and istiod's configuration for it decide alike: who is let in, where a request goes and how it is changed, and which
/// endpoints there are. Asked of every service of the waypoint, with every path, header and parameter that either of them compares.
/// </summary>
[Trait("Category", "Golden")]
public sealed class TwoTranslationsTests
{
    /// <summary>Cases that differ, and why. It only ever gets shorter.</summary>
    private static readonly Dictionary<string, string> s_differing = new()
    {
        ["bare"] = "istiod does not tell the waypoint's own workload, as it was asked with next to no metadata",
        ["envoyfilter"] = "an EnvoyFilter adds Lua to every chain, which is not served",
        ["extensions"] = "wasm and Lua are added to chains, which are not served",
        ["multi-network"] = "the endpoints of another network, of which istiod tells the sum at its gateway, and a folder each",
        ["routes-more"] = "an HTTPRoute's own retries try again after a reset too; istiod's do not",
    };

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("xds");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task Decisions_AreTheSame(string name)
    {
        var folder = GoldenFolder.Case("xds", name);
        var recording = Path.Combine(folder, "xds", "waypoint");
        var load = ManifestLoader.LoadText("input.yaml", await File.ReadAllTextAsync(Path.Combine(folder, "input.yaml")));
        var translated = MeshTranslator.Translate(load.Objects, new TranslationOptions());
        var objects = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(translated.Workloads, translated.Services, translated.Policies).Set(translated.Requests).Build();
        var recorded = MoreRecordingsTests.Take(recording).Store.Current;
        var (node, pod) = RecordedIstiod.NodeOf(recording);

        var differences = new List<string>();
        var asked = 0;
        foreach (var service in recorded.Services.Values.Where(service => recorded.Requests.Places.ContainsKey(service.Key)))
        {
            if (recorded.Workloads.Values.All(workload => workload.Name != pod))
            {
                differences.Add($"{pod} is not told");
                break;
            }

            if (!objects.Services.TryGetValue(service.Key, out var own))
            {
                differences.Add($"{service.Key} is not among the objects");
                continue;
            }

            var sides = new[] { new Side(objects, own, node.GatewayKey, pod), new Side(recorded, service, node.GatewayKey, pod) };
            foreach (var port in service.Ports.Where(port => port.AppProtocol is not (AppProtocol.Tcp or AppProtocol.Tls or AppProtocol.ServerFirst)).Select(port => port.Port))
            {
                if (sides[0].Endpoints(port) is var first && sides[1].Endpoints(port) is var second && first != second)
                {
                    differences.Add($"{service.Key}:{port} endpoints {first}, recorded {second}");
                }

                foreach (var question in Questions(sides.SelectMany(side => side.Rules()), service.Hostname, port))
                {
                    asked++;
                    if (sides[0].Answer(question) is var expected && sides[1].Answer(question) is var actual && expected != actual)
                    {
                        differences.Add($"{service.Key}:{port} {question}\n    objects  {expected}\n    recorded {actual}");
                    }
                }
            }
        }

        if (s_differing.ContainsKey(name))
        {
            Assert.True(differences.Count > 0, $"{name} does not differ any more: take it off the list");
            return;
        }

        Assert.True(differences.Count == 0, $"{name}: {differences.Count} of {asked} differ\n{string.Join('\n', differences.Take(10))}");
    }

    [SkippableFact]
    public async Task HeadersOfTheProxy_AreTheSame()
    {
        var folder = GoldenFolder.Case("xds", "mesh-config");
        var load = ManifestLoader.LoadText("input.yaml", await File.ReadAllTextAsync(Path.Combine(folder, "input.yaml")));
        var objects = MeshTranslator.Translate(load.Objects, new TranslationOptions()).Requests.Gateways["app/waypoint"].Headers;
        var recorded = MoreRecordingsTests.Take(Path.Combine(folder, "xds", "waypoint")).Store.Current.Requests.Gateways["app/waypoint"].Headers;

        // istiod says the number of the try of a gateway's routes alone.
        Assert.Equal((false, "own"), (objects.AttemptCount, recorded.ServerName));
        Assert.Equal(objects with { AttemptCount = null }, recorded);
    }

    private static IEnumerable<Question> Questions(IEnumerable<TrafficRule> rules, string host, int port)
    {
        var matches = rules.SelectMany(rule => rule.Matches).ToArray();
        var paths = matches.Select(match => match.Path.Value).Where(path => path.StartsWith('/')).SelectMany(path => new[] { path, path.TrimEnd('/') + "/x", path + "y" })
            .Concat(["/", "/a", "/admin/x", "/public"]).Distinct().Order(StringComparer.Ordinal).Take(60).ToArray();
        var headers = matches.SelectMany(match => match.Headers).Where(header => header.Value.Kind is TextMatchKind.Exact or TextMatchKind.Prefix).Select(header => (header.Name, header.Value.Value))
            .Append(("x-none", "1")).Distinct().Take(12).ToArray();
        var queries = matches.SelectMany(match => match.QueryParams).Where(query => query.Value.Kind is TextMatchKind.Exact).Select(query => $"{query.Name}={query.Value.Value}").Append("").Distinct().Take(4).ToArray();
        var callers = new[] { null, "cluster.local/ns/app/sa/a", "cluster.local/ns/app/sa/b", "cluster.local/ns/other/sa/x", "old.td/ns/app/sa/a" };
        return from path in paths
               from header in headers
               from query in queries
               from method in new[] { "GET", "POST" }
               from caller in callers
               select new Question(host, port, method, path, query, header.Item1, header.Item2, caller);
    }

    private sealed record Question(string Host, int Port, string Method, string Path, string Query, string Header, string Value, string? Caller);

    private sealed class Side
    {
        private readonly MeshSnapshot _mesh;
        private readonly MeshService _service;
        private readonly Workload _self;
        private readonly RequestPolicies _policies;
        private readonly RequestRoutes _routes;

        public Side(MeshSnapshot mesh, MeshService service, string gateway, string pod)
        {
            (_mesh, _service) = (mesh, service);
            _self = mesh.Workloads.Values.First(workload => workload.Name == pod);
            _policies = RequestPolicies.ForWaypoint(mesh, mesh.Requests.Gateways[gateway], service);
            _routes = RequestRoutes.ForService(mesh, service, mesh.Requests.Gateways[gateway].Namespace);
        }

        public IEnumerable<TrafficRule> Rules() => _mesh.Requests.Places.TryGetValue(_service.Key, out var place)
            ? place.Routes?.Rules ?? []
            : _mesh.Requests.HttpRoutes.Values.SelectMany(route => route.Rules);

        public string Endpoints(int port) => string.Join(' ', BackendEndpoint.All(_mesh, _self, _service, port, ImmutableDictionary<string, string>.Empty)
            .Where(static endpoint => endpoint.Share is not { IsHealthy: false })
            .Select(endpoint => $"{endpoint.Address}{(endpoint.Workload.Protocol == TunnelProtocol.Hbone ? $" by {endpoint.Workload.Identity}" : "")}").Order(StringComparer.Ordinal));

        public string Answer(Question question)
        {
            string? HeaderOf(string name) => string.Equals(name, question.Header, StringComparison.OrdinalIgnoreCase) ? question.Value : null;
            var decision = RequestAuthorizer.Authorize(_policies, new RequestFacts
            {
                Identity = question.Caller is null ? null : SpiffeId.Parse($"spiffe://{question.Caller}"),
                Source = new IPEndPoint(IPAddress.Parse("127.0.0.1"), 1),
                Destination = new IPEndPoint(IPAddress.Parse("127.10.0.1"), question.Port),
                Method = question.Method,
                Host = question.Host,
                Path = question.Path,
                Query = question.Query,
                Header = HeaderOf,
            });
            if (!decision.IsAllowed && decision.Reason != AuthorizationReason.AsksExternalAuthorizer)
            {
                return "denied";
            }

            var outcomes = Enumerable.Range(0, 24).Select(seed => Text(_routes.Route(
                new RouteFacts(question.Port, question.Host, question.Method, question.Path, question.Query, HeaderOf), new Random(seed)))).Distinct().Order(StringComparer.Ordinal);
            return $"{decision.Reason == AuthorizationReason.AsksExternalAuthorizer} {string.Join(" | ", outcomes)}";

            string Text(RequestRoute route)
            {
                if (route.Kind == RequestRouteKind.Respond)
                {
                    return $"{route.StatusCode} {route.Location} {route.Body}";
                }

                var (service, port) = route.Kind == RequestRouteKind.Default ? (_service, question.Port) : (route.Service!, route.Port == RequestRoute.ArrivalPort ? question.Port : route.Port);
                var plan = route.Plan;
                var retry = plan.Retry ?? _mesh.Requests.DefaultRetry ?? RetryRule.Default;
                return $"to {service.Key}:{port}/{route.Subset} host {route.Host ?? HostOf(route.RequestHeaders)} path {route.Path} set {Edits(route.RequestHeaders)} answer {Edits(route.ResponseHeaders)} "
                    + $"time {plan.Timeout}/{plan.TryTimeout} retry {retry.Attempts} {retry.Conditions} {string.Join(',', retry.StatusCodes)} {retry.Backoff} "
                    + $"copies {string.Join(',', route.Mirrors.Select(mirror => $"{mirror.Service.Key}:{mirror.Port}/{mirror.Subset} {mirror.PartsPerMillion}"))} fault {plan.Fault} cors {plan.Cors is not null}";
            }
        }

        /// <summary>What is done to headers in all, whether a rule or its backend says it; the host apart.</summary>
        private static string Edits(ImmutableArray<HeaderModification> edits) => string.Join(',', edits.SelectMany(edit => edit.Remove.Select(name => $"-{name.ToLowerInvariant()}")
            .Concat(edit.Set.Where(header => !IsHost(header)).Select(header => $"={header.Name.ToLowerInvariant()}:{header.Value}"))
            .Concat(edit.Add.Select(header => $"+{header.Name.ToLowerInvariant()}:{header.Value}"))).Order(StringComparer.Ordinal));

        private static string? HostOf(ImmutableArray<HeaderModification> edits) => edits.SelectMany(edit => edit.Set).Where(IsHost).Select(header => header.Value).FirstOrDefault();

        private static bool IsHost(NamedValue header) => header.Name.Equals("host", StringComparison.OrdinalIgnoreCase);
    }
}
