using System.Diagnostics;
using System.Globalization;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Requests.Conformance;

/// <summary>The data-plane tests of the Gateway API's conformance suite, from manifest to answer over real sockets.</summary>
public sealed class ConformanceTests : IClassFixture<ConformanceTests.Backends>
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly GoldenBackends _backends;

    public ConformanceTests(Backends fixture) => _backends = fixture.Value;

    public static IEnumerable<object[]> Cases => ConformanceCase.All.Select(@case => new object[] { @case.Name });

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Requests_AreAnsweredAsTheGatewayApiSays(string name)
    {
        var @case = ConformanceCase.All.Single(@case => @case.Name == name);
        var store = ConformanceMesh.Load(@case);
        await using var engine = GoldenEngine.Start(store, [.. store.Current.Requests.Gateways.Keys]);
        var problems = new List<string>();
        foreach (var row in @case.Rows.Select(ConformanceRow.Parse))
        {
            if (await ProblemAsync(engine, store.Current, row) is { } problem)
            {
                problems.Add($"{row.Line}\n    {problem}");
            }
        }

        Assert.NotEmpty(@case.Rows);
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact]
    public async Task ReferenceGrant_ThatIsTakenBack_EndsWhatItAllowed()
    {
        var @case = ConformanceCase.All.Single(@case => @case.Name == "httproute-reference-grant");
        var store = ConformanceMesh.Load(@case);
        await using var engine = GoldenEngine.Start(store, "app/gw");
        store.Publish(new MeshSnapshotBuilder(store.Current).Set(store.Current.Requests with { ReferenceGrants = store.Current.Requests.ReferenceGrants.Clear() }).Build());

        Assert.Null(await ProblemAsync(engine, store.Current, ConformanceRow.Parse("GET / -> 500")));
    }

    private async Task<string?> ProblemAsync(GoldenEngine engine, MeshSnapshot mesh, ConformanceRow row)
    {
        _backends.Clear();
        GoldenAnswer? answer = null;
        for (var i = 0; i < row.Times; i++)
        {
            answer = await AskAsync(engine, mesh, row);
            if (row.Times > 1 && answer.Status != 200)
            {
                return $"answered {answer.Status}";
            }
        }

        return row.Times == 1 ? await ProblemAsync(row, answer!) : await ShareProblemAsync(row);
    }

    private static Task<GoldenAnswer> AskAsync(GoldenEngine engine, MeshSnapshot mesh, ConformanceRow row)
    {
        var service = row.Service is { } name ? mesh.Services[$"app/{name}.app.svc.cluster.local"] : null;
        var identity = SpiffeId.ForServiceAccount("cluster.local", row.Namespace, "caller");
        int? port = service is null ? row.Port : null;
        return row.IsHttp2
            ? engine.AskOverHttp2Async(row.Method, row.Path, row.Host, GrpcHeaders(row), IPAddress.Loopback, identity, service, port, row.IsGrpc, row.Gateway, row.Port)
            : engine.AskAsync(row.Method, row.Path, row.Host, row.Headers, IPAddress.Loopback, identity, service, port, row.Gateway, row.Port);
    }

    private static Dictionary<string, string> GrpcHeaders(ConformanceRow row) =>
        row.IsGrpc ? new(row.Headers, StringComparer.Ordinal) { ["content-type"] = "application/grpc", ["te"] = "trailers" } : row.Headers;

    private async Task<string?> ProblemAsync(ConformanceRow row, GoldenAnswer answer)
    {
        var copies = row.Expected.FirstOrDefault(word => word.StartsWith("copies:", StringComparison.Ordinal)) is { } named ? named["copies:".Length..].Split(',') : [];
        if (copies.Length > 0)
        {
            await UntilAsync(() => _backends.Seen.Count > copies.Length);
        }

        // What is expected of the endpoint is expected of the copies.
        var seen = _backends.Seen.ToArray();
        var main = seen.Where(request => !copies.Contains(ConformanceMesh.ServiceOf(request.Pod))).ToArray();
        var grpcStatus = answer.Headers.FirstOrDefault(header => header.Name == "grpc-status").Value;
        if (OutcomeProblem(row, row.Expected[0], answer.Status, grpcStatus, main) is { } wrong)
        {
            return wrong;
        }

        foreach (var word in row.Expected.Skip(1))
        {
            var (what, value) = Cut(word);
            var (kind, field) = what.Contains(':', StringComparison.Ordinal) ? (what[..what.IndexOf(':')], what[(what.IndexOf(':') + 1)..]) : (what, "");
            var problem = kind switch
            {
                "copies" => Same("copies", string.Join(',', copies.Order()), string.Join(',', seen.Except(main).Select(request => ConformanceMesh.ServiceOf(request.Pod)).Order())),
                "tries" => Same(kind, field, $"{main.Length}"),
                "location" => Same(kind, value, Joined(answer.Headers, kind)),
                "answers" => Same(field, value, Joined(answer.Headers, field)),
                "hides" => Same(field, "", Joined(answer.Headers, field)),
                "method" => Same(kind, value, main[0].Method),
                "path" => Same(kind, value, main[0].Target),
                "host" => Same(kind, value, Joined(main[0].Headers, kind)),
                "sees" => seen.Select(request => Same(field, value, Joined(request.Headers, field))).FirstOrDefault(problem => problem is not null),
                "misses" => seen.Select(request => Same(field, "", Joined(request.Headers, field))).FirstOrDefault(problem => problem is not null),
                _ => throw new FormatException(row.Line),
            };
            if (problem is not null)
            {
                return problem;
            }
        }

        return null;
    }

    private static string? OutcomeProblem(ConformanceRow row, string expected, int status, string? grpcStatus, GoldenSeen[] main)
    {
        if (expected == "any")
        {
            return null;
        }

        if (expected.StartsWith("grpc=", StringComparison.Ordinal))
        {
            return Same("gRPC status", expected["grpc=".Length..], grpcStatus ?? "") ?? Same("requests at endpoints", "0", $"{main.Length}");
        }

        if (int.TryParse(expected, CultureInfo.InvariantCulture, out var wanted))
        {
            // Nothing may have reached an endpoint, unless the endpoint itself failed.
            var fails = row.Path.Contains('?', StringComparison.Ordinal);
            return Same("status", $"{wanted}", $"{status}") ?? (fails ? null : Same("requests at endpoints", "0", $"{main.Length}"));
        }

        return Same("status", "200", $"{status}") ?? (row.IsGrpc ? Same("gRPC status", "0", grpcStatus ?? "") : null)
            ?? Same("service", expected, main.Length == 0 ? "none" : ConformanceMesh.ServiceOf(main[^1].Pod));
    }

    /// <summary>Shares of many requests, each as near to what is expected as chance allows.</summary>
    private async Task<string?> ShareProblemAsync(ConformanceRow row)
    {
        foreach (var word in row.Expected)
        {
            var (what, value) = Cut(word);
            if (what.StartsWith("sees:", StringComparison.Ordinal))
            {
                var name = what["sees:".Length..];
                if (_backends.Seen.Select(request => Same(name, value == "$pod" ? ConformanceMesh.ServiceOf(request.Pod) : value, Joined(request.Headers, name)))
                    .FirstOrDefault(problem => problem is not null) is { } problem)
                {
                    return problem;
                }

                continue;
            }

            var service = what[(what.IndexOf(':') + 1)..];
            var share = double.Parse(value, CultureInfo.InvariantCulture);
            var margin = (5.5 * Math.Sqrt(row.Times * share * (1 - share))) + 1;
            int Count() => _backends.Seen.Count(request => ConformanceMesh.ServiceOf(request.Pod) == service);

            // Copies may still be on their way.
            if (!await UntilAsync(() => Math.Abs(Count() - (row.Times * share)) <= margin, what.StartsWith("copies:", StringComparison.Ordinal) ? s_patience : TimeSpan.Zero))
            {
                return $"{Count()} of {row.Times} at {service}";
            }
        }

        var named = row.Expected.Select(word => Cut(word).What).Select(what => what[(what.IndexOf(':') + 1)..]).ToArray();
        return _backends.Seen.Select(request => ConformanceMesh.ServiceOf(request.Pod)).FirstOrDefault(service => !named.Contains(service)) is { } other ? $"some at {other}" : null;
    }

    private static (string What, string Value) Cut(string word)
    {
        var equals = word.IndexOf('=');
        return equals < 0 ? (word, "") : (word[..equals], word[(equals + 1)..]);
    }

    private static string Joined(IEnumerable<(string Name, string Value)> headers, string name) =>
        string.Join(',', headers.Where(header => header.Name == name).Select(header => header.Value.Replace(", ", ",", StringComparison.Ordinal)));

    private static string? Same(string what, string expected, string actual) => expected == actual ? null : $"{what} is \"{actual}\", expected \"{expected}\"";

    private static Task<bool> UntilAsync(Func<bool> holds) => UntilAsync(holds, s_patience);

    private static async Task<bool> UntilAsync(Func<bool> holds, TimeSpan patience)
    {
        var from = Stopwatch.GetTimestamp();
        while (!holds())
        {
            if (Stopwatch.GetElapsedTime(from) >= patience)
            {
                return false;
            }

            await Task.Delay(10);
        }

        return true;
    }

    /// <summary>The pods of all cases.</summary>
    public sealed class Backends : IAsyncLifetime
    {
        internal GoldenBackends Value { get; } = new();

        public async Task InitializeAsync()
        {
            foreach (var pod in ConformanceMesh.Pods)
            {
                await Value.StartAsync(pod);
            }
        }

        public async Task DisposeAsync() => await Value.DisposeAsync();
    }
}
