using Ambient.Mesh;
using Ambient.Node.Discovery.Translation;
using static Ambient.Node.Tests.Discovery.ChangingFolder;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Whatever edits led to a folder, reading it step by step gives what reading it at once gives.</summary>
public sealed class IncrementalEqualityTests
{
    private static readonly string[] s_files = ["a.yaml", "b.yaml", "c.yaml", "sub/d.yaml", "sub/e.yaml"];
    private static readonly string[] s_namespaces = ["red", "blue", "istio-system"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void RandomEdits_ReadStepByStep_EqualAReadingFromScratch(int seed)
    {
        var random = new Random(seed);
        using var folder = new ChangingFolder();
        var files = s_files.ToDictionary(name => name, _ => new SortedDictionary<string, string>(StringComparer.Ordinal));
        for (var step = 0; step < 60; step++)
        {
            for (var edits = random.Next(1, 4); edits > 0; edits--)
            {
                Edit(random, files);
            }

            foreach (var (name, objects) in files)
            {
                // Now and then a file is written again as it was.
                folder.Write(name, string.Join("---\n", objects.Values));
            }

            var mesh = folder.Read();
            var scratch = folder.ReadFromScratch();
            AssertSame(scratch, folder.Translation, $"seed {seed}, step {step}");

            // And what the store has of it.
            Assert.Equal(scratch.Workloads.Count, mesh.Workloads.Count);
            Assert.All(scratch.Workloads, workload => Assert.Equal(workload, mesh.Workloads[workload.Uid]));
            Assert.All(scratch.Services, service => Assert.Equal(service, mesh.Services[service.Key]));
            Assert.Equal(scratch.Requests, mesh.Requests);
        }
    }

    private static void AssertSame(MeshTranslation expected, MeshTranslation actual, string when)
    {
        AssertSame(expected.Workloads, actual.Workloads, workload => workload.Uid, when);
        AssertSame(expected.Services, actual.Services, service => service.Key, when);
        AssertSame(expected.Policies, actual.Policies, policy => policy.Key, when);
        Assert.True(expected.Requests.Equals(actual.Requests), when);
    }

    private static void AssertSame<T>(IReadOnlyList<T> expected, IReadOnlyList<T> actual, Func<T, string> key, string when)
        where T : notnull
    {
        Assert.Equal(expected.Select(key), actual.Select(key));
        for (var i = 0; i < expected.Count; i++)
        {
            Assert.True(expected[i].Equals(actual[i]), $"{when}: {key(expected[i])}\n{expected[i]}\n{actual[i]}");
        }
    }

    private static void Edit(Random random, Dictionary<string, SortedDictionary<string, string>> files)
    {
        var file = files[s_files[random.Next(s_files.Length)]];
        var all = files.SelectMany(entry => entry.Value.Keys.Select(key => (File: entry.Value, Key: key))).ToArray();
        switch (all.Length == 0 ? 0 : random.Next(10))
        {
            case < 6:
                // Added, or changed where it stands.
                var (key, text) = Make(random);
                var place = all.FirstOrDefault(entry => entry.Key == key).File ?? file;
                place[key] = text;
                break;
            case < 8:
                var (from, moved) = all[random.Next(all.Length)];
                from.Remove(moved, out var same);
                file[moved] = same!;
                break;
            default:
                var (holder, gone) = all[random.Next(all.Length)];
                holder.Remove(gone);
                break;
        }
    }

    private static (string Key, string Text) Make(Random random)
    {
        var ns = s_namespaces[random.Next(s_namespaces.Length)];
        var i = random.Next(3);
        return random.Next(15) switch
        {
            0 => ($"namespace {ns}", Pick(random, Namespace(ns), Namespace(ns).Replace("ambient", "none", StringComparison.Ordinal), $"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}}}\n")),
            1 or 2 => ($"deployment {ns}/{i}", Deployment(ns, i, random.Next(4), Pick(random, "default", "robot"))),
            3 or 4 => ($"service {ns}/{i}", Service(ns, i, random.Next(80, 83))),
            5 => ($"selecting {ns}/{i}", Pick(random, SelectingPolicy(ns, i), SelectingPolicy(ns, i, "cluster.local/ns/a/sa/b"), SelectingPolicy(ns, i).Replace($"app: app-{i}", "app: app-0", StringComparison.Ordinal))),
            6 => ($"attached {ns}/{i}", AttachedPolicy(ns, i, Pick(random, "/a", "/b"))),
            7 => ($"route {ns}/{i}", Route(ns, i, Pick(random, "/a", "/b"))),
            8 => ($"gateway {ns}", WaypointGateway(ns)),
            9 => ($"peer {ns}/{i}", PeerAuthentication(random, ns, i)),
            10 => ($"node {i}", $"apiVersion: v1\nkind: Node\nmetadata: {{name: n{i}, labels: {{topology.kubernetes.io/region: r{random.Next(3)}}}}}\n"),
            11 => ($"pod {ns}/{i}", Pod(random, ns, i)),
            12 => ($"entry {ns}/{i}", Entry(random, ns, i)),
            13 => ($"external {ns}/{i}", $"apiVersion: v1\nkind: Service\nmetadata: {{name: alias-{i}, namespace: {ns}}}\nspec: {{type: ExternalName, externalName: {Pick(random, "app-0.red.svc.cluster.local", "out.example")}, ports: [{{port: 80}}]}}\n"),
            _ => ($"slice {ns}/{i}", Slice(random, ns, i)),
        };
    }

    private static string PeerAuthentication(Random random, string ns, int i) =>
        $"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: peer-{i}, namespace: {ns}}}\nspec: {{{Pick(random, "", $"selector: {{matchLabels: {{app: app-{i}}}}}, ")}mtls: {{mode: {Pick(random, "STRICT", "PERMISSIVE")}}}}}\n";

    private static string Pod(Random random, string ns, int i) =>
        $"apiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{i}, namespace: {ns}, labels: {{app: app-{random.Next(3)}}}}}\nspec: {{nodeName: n{random.Next(3)}, containers: [{{name: c, image: i, ports: [{{containerPort: 8080, name: web}}]}}]}}\n";

    private static string Entry(Random random, string ns, int i) => $$$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: entry-{{{i}}}, namespace: {{{ns}}}, labels: {app: app-{{{random.Next(3)}}}}}
        spec:
          hosts: [{{{Pick(random, "a.example", "b.example")}}}]
          ports: [{number: {{{random.Next(80, 82)}}}, name: http, protocol: HTTP}]
          resolution: {{{Pick(random, "STATIC\n  endpoints: [{address: 10.9.0.1}, {address: 10.9.0.2, labels: {app: app-1}}]", "DNS")}}}

        """;

    private static string Slice(Random random, string ns, int i) => $$$"""
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: slice-{{{i}}}, namespace: {{{ns}}}, labels: {kubernetes.io/service-name: app-{{{random.Next(3)}}}}}
        addressType: IPv4
        ports: [{name: http, port: 8080}]
        endpoints: [{{{Pick(random, "{addresses: [10.8.0.1]}", "{addresses: [10.8.0.2]}, {addresses: [10.8.0.3]}", $"{{addresses: [10.8.0.9], targetRef: {{kind: Pod, name: pod-{random.Next(3)}, namespace: {ns}}}}}")}}}]

        """;

    private static string Pick(Random random, params string[] texts) => texts[random.Next(texts.Length)];
}
