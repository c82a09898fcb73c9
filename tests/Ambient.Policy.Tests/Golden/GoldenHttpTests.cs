using System.Net;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Ambient.Testing;
using Ambient.Testing.Golden;

namespace Ambient.Policy.Tests.Golden;

/// <summary>
/// What a waypoint or gateway answered, as far as it is decided by policy and routes alone: status, chosen backends, the
/// path and host they saw. What an engine does besides (retries, mirrors, CORS, JWT) is not asked here; a case that
/// consists of it is skipped.
/// </summary>
[Trait("Category", "Golden")]
public sealed class GoldenHttpTests
{
    private static readonly string[] Irrelevant = ["EndpointSlice", "GatewayClass"];

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("http");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Decide_RecordedRequests_AnswersAsRecorded(string name)
    {
        var folder = GoldenFolder.Case("http", name);
        var (mesh, skipped) = GoldenManifests.Load(folder);
        var missing = skipped.Keys.Except(Irrelevant).ToArray();
        Skip.If(missing.Length > 0, $"not supported yet: {string.Join(", ", missing)}");

        var asked = 0;
        var unsupported = new SortedSet<string>(StringComparer.Ordinal);
        var faults = new List<string>();
        foreach (var (line, question) in GoldenMesh.Questions(folder, "responses.jsonl"))
        {
            if (question.TryGetProperty("grpc", out _) || question.GetProperty("path").GetString()!.Contains("fail=", StringComparison.Ordinal) || question.GetProperty("path").GetString()!.Contains("delay=", StringComparison.Ordinal))
            {
                unsupported.Add("gRPC, or backends that fail or take their time");
                continue;
            }

            asked++;
            if (new RecordedRequest(mesh, question).Check(unsupported) is { } fault)
            {
                faults.Add($"responses.jsonl:{line}: {fault}\n  asked {question.GetRawText()}");
            }
        }

        Assert.True(faults.Count == 0, $"{faults.Count} lines differ:\n{string.Join('\n', faults.Take(10))}");
        Skip.If(asked == 0, $"not supported yet: {string.Join(", ", unsupported)}");
    }

    private sealed class RecordedRequest
    {
        private readonly JsonElement _question;
        private readonly MeshSnapshot _mesh;
        private readonly Gateway _gateway;
        private readonly MeshService? _service;
        private readonly IPEndPoint _destination;
        private readonly Dictionary<string, string> _headers = new(StringComparer.OrdinalIgnoreCase);
        private readonly Random _random = new(1);

        internal RecordedRequest(MeshSnapshot mesh, JsonElement question)
        {
            _mesh = mesh;
            _question = question;
            var atGateway = question.TryGetProperty("gateway", out _);
            _gateway = mesh.Requests.Gateways[atGateway ? "app/gw" : "app/waypoint"];
            var service = Text("to") ?? "a";
            _service = atGateway ? null : mesh.Services[$"app/{service}.app.svc.cluster.local"];
            var port = question.TryGetProperty("port", out var asked) ? asked.GetInt32() : 8080;
            _destination = new IPEndPoint(_service?.Vips[0].Address ?? IPAddress.Parse("127.9.1.2"), port);
            if (question.TryGetProperty("headers", out var headers))
            {
                foreach (var header in headers.EnumerateObject())
                {
                    _headers[header.Name] = header.Value.GetString()!;
                }
            }
        }

        private string Method => Text("method")!;

        private string Host => Text("host") ?? $"{_service?.Name ?? "a"}:8080";

        internal string? Check(SortedSet<string> unsupported)
        {
            if (!RequestPath.TryParse(Text("path")!, out var path))
            {
                return "the path cannot be read";
            }

            if (!Policies.Tokens.Find(Method, path.Query, _headers.GetValueOrDefault).IsEmpty)
            {
                unsupported.Add("tokens, which an engine verifies");
                return null;
            }

            if (Authorize(path) is { IsAllowed: false } denied)
            {
                var isDenied = _question.TryGetProperty("distribution", out var rows)
                    ? rows.EnumerateArray().All(row => row.GetProperty("status").GetInt32() == 403)
                    : _question.GetProperty("status").GetInt32() == 403;
                return isDenied ? null : $"denied: {denied}";
            }

            var routes = _service is null ? RequestRoutes.ForGateway(_mesh, _gateway) : RequestRoutes.ForService(_mesh, _service);
            var facts = new RouteFacts(_destination.Port, Host, Method, path.Path, path.Query, _headers.GetValueOrDefault);
            if (_question.TryGetProperty("distribution", out var distribution))
            {
                return CheckDistribution(routes, facts, distribution);
            }

            var route = routes.Route(facts, _random);
            if (route.Error?.Contains("not supported", StringComparison.Ordinal) == true)
            {
                unsupported.Add(route.Error);
                return null;
            }

            if (route.Plan.Fault is not null)
            {
                unsupported.Add("faults, which an engine makes");
                return null;
            }

            // By weight it is one backend now and another then: whoever was recorded must be among them all.
            var pods = Enumerable.Range(0, 200).SelectMany(_ => Outcome(routes.Route(facts, _random)).Pods).ToHashSet(StringComparer.Ordinal);
            return CheckOnce(route, path, pods);
        }

        private RequestPolicies Policies => _service is null ? RequestPolicies.ForGateway(_mesh, _gateway) : RequestPolicies.ForWaypoint(_mesh, _gateway, _service);

        private AuthorizationDecision Authorize(RequestPath path)
        {
            return RequestAuthorizer.Authorize(Policies, new RequestFacts
            {
                Identity = Text("principal") is { } principal ? SpiffeId.Parse(principal) : null,
                Source = new IPEndPoint(IPAddress.Parse(Text("src") ?? "127.0.0.1"), 40000),
                Destination = _destination,
                Method = Method,
                Host = Host,
                Path = path.Path,
                Header = _headers.GetValueOrDefault,
            });
        }

        private string? CheckOnce(RequestRoute route, RequestPath path, HashSet<string> pods)
        {
            var recorded = _question.GetProperty("status").GetInt32();
            var status = Outcome(route).Status;
            if (status != recorded)
            {
                return $"got {status} ({route.Error})";
            }

            if (route.Location is { } location && RecordedHeader("location") is var expected && expected != location)
            {
                return $"got location {location}";
            }

            if (status != 200 || _question.GetProperty("upstream").GetArrayLength() == 0)
            {
                return null;
            }

            var upstream = _question.GetProperty("upstream")[0];
            var seen = upstream.GetProperty("pods").EnumerateArray().Select(pod => pod.GetString()!).ToArray();
            if (!seen.All(pods.Contains))
            {
                return $"got a choice of {string.Join(' ', pods)} by {route.Rule}";
            }

            var target = (path with { Path = route.Path ?? path.Path }).Target;
            return target != upstream.GetProperty("path").GetString() ? $"got path {target}" : CheckHeaders(route, upstream);
        }

        private string? CheckHeaders(RequestRoute route, JsonElement upstream)
        {
            var sent = new List<(string Name, string Value)> { ("host", route.Host ?? Host) };
            sent.AddRange(_headers.Select(header => (header.Key.ToLowerInvariant(), header.Value)));
            foreach (var change in route.RequestHeaders)
            {
                sent.RemoveAll(header => change.Remove.Any(name => name.Equals(header.Name, StringComparison.OrdinalIgnoreCase)));
                foreach (var set in change.Set)
                {
                    sent.RemoveAll(header => header.Name.Equals(set.Name, StringComparison.OrdinalIgnoreCase));
                    sent.Add((set.Name.ToLowerInvariant(), set.Value));
                }

                sent.AddRange(change.Add.Select(added => (added.Name.ToLowerInvariant(), added.Value)));
            }

            foreach (var name in route.RequestHeaders.SelectMany(change => change.Remove.Concat(change.Set.Concat(change.Add).Select(value => value.Name))).Append("host"))
            {
                var expected = upstream.GetProperty("headers").EnumerateArray()
                    .Where(header => header[0].GetString()!.Equals(name, StringComparison.OrdinalIgnoreCase))
                    .Select(header => header[1].GetString()!);
                var got = sent.Where(header => header.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value);
                if (!expected.SequenceEqual(got))
                {
                    return $"got {name}: {string.Join(" | ", got)}";
                }
            }

            return null;
        }

        private string? CheckDistribution(RequestRoutes routes, RouteFacts facts, JsonElement distribution)
        {
            const int Draws = 4000;
            var shares = new Dictionary<(int, string), double>();
            for (var i = 0; i < Draws; i++)
            {
                var (status, pods) = Outcome(routes.Route(facts, _random));
                var pod = pods.Length == 0 ? "" : pods[_random.Next(pods.Length)];
                shares[(status, pod)] = shares.GetValueOrDefault((status, pod)) + (1.0 / Draws);
            }

            var rows = distribution.EnumerateArray()
                .ToDictionary(row => (row.GetProperty("status").GetInt32(), row.GetProperty("pods").GetString()!), row => row.GetProperty("count").GetInt32());
            var total = rows.Values.Sum();
            foreach (var outcome in rows.Keys.Union(shares.Keys))
            {
                var share = shares.GetValueOrDefault(outcome);
                var deviation = Math.Sqrt(Math.Max(share * (1 - share), 0.01) / total);
                if (Math.Abs(share - ((double)rows.GetValueOrDefault(outcome) / total)) > 5 * deviation)
                {
                    return $"got {outcome} with a share of {share:P1}";
                }
            }

            return null;
        }

        private (int Status, string[] Pods) Outcome(RequestRoute route)
        {
            if (route.Kind == RequestRouteKind.Respond)
            {
                return (route.StatusCode, []);
            }

            var service = route.Kind == RequestRouteKind.Forward ? route.Service! : _service!;
            var pods = _mesh.EndpointsOf(service).Select(endpoint => $"{endpoint.Workload.Namespace}/{endpoint.Workload.Name}").ToArray();
            return pods.Length == 0 ? (503, []) : (200, pods);
        }

        private string? RecordedHeader(string name) => _question.GetProperty("response").GetProperty("headers").EnumerateArray()
            .Where(header => header[0].GetString() == name).Select(header => header[1].GetString()).FirstOrDefault();

        private string? Text(string name) => _question.TryGetProperty(name, out var value) ? value.GetString() : null;
    }
}
