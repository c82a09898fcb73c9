using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Recordings of every kind and filter that istiod turns into Envoy configuration: what is not served of them is what we know not to be, and nothing besides.</summary>
[Trait("Category", "Golden")]
public sealed class MoreRecordingsTests
{
    /// <summary>What is not served, by case: a part of each sentence that says so. Cases that are not here are served whole.</summary>
    private static readonly Dictionary<string, string[]> s_known = new()
    {
        ["envoyfilter"] = ["the filter lua"],
        ["extensions"] = ["its code is not run here, so the chains that it is in are closed", "extensions.istio.io/trafficextension/app.lua"],
        ["authz-more"] = ["policy[filterkey]-rule[0]: metadata that is not known"],
        ["bare"] = ["endpoint 127.11.1.1: a tunnel leads to it, and nobody says who it is"],
        ["multi-network"] = ["forward_inner_connect"],
    };

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("xds");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Recording_IsTaken_AndWhatIsNotServedIsKnown(string name)
    {
        var said = new List<string>();
        foreach (var recording in Directory.EnumerateDirectories(Path.Combine(GoldenFolder.Case("xds", name), "xds")))
        {
            var (_, problems) = Take(recording);
            said.AddRange(problems);
        }

        var known = s_known.GetValueOrDefault(name, []);
        Assert.DoesNotContain(said, problem => !known.Any(part => problem.Contains(part, StringComparison.Ordinal)));
        Assert.DoesNotContain(known, part => !said.Any(problem => problem.Contains(part, StringComparison.Ordinal)));
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Recording_IsTheSame_WhicheverComesFirst(string name)
    {
        foreach (var recording in Directory.EnumerateDirectories(Path.Combine(GoldenFolder.Case("xds", name), "xds")))
        {
            var (workloadsFirst, _) = Take(recording);
            var (workloadsLast, _) = Take(recording, "cds", "eds", "lds", "rds", "ecds", "sds", "wds");

            Assert.Equal(Backing(workloadsFirst), Backing(workloadsLast));
        }

        static IEnumerable<string> Backing(MeshStore store) => store.Current.Workloads.Values
            .SelectMany(workload => workload.Services.Keys.Select(service => $"{workload.Uid} {service}")).Order(StringComparer.Ordinal);
    }

    /// <summary>The mesh of a recording, and what is said of it.</summary>
    internal static (MeshStore Store, IEnumerable<string> Problems) Take(string recording, params string[] order)
    {
        var store = new MeshStore();
        var session = new EnvoySession(store, RecordedIstiod.NodeOf(recording).Node, NullLogger.Instance);
        var problems = new List<string>();
        foreach (var file in (order is [] ? ["wds", "cds", "eds", "lds", "rds", "ecds", "sds"] : order).Select(file => Path.Combine(recording, $"{file}.binpb")).Where(File.Exists))
        {
            var answer = session.Hear(File.ReadAllBytes(file));
            Assert.True(answer.IsAccepted, answer.Answer.ErrorDetail?.Message);
            problems.AddRange(answer.Answer.ErrorDetail?.Message.Split("; ") ?? []);
        }

        return (store, problems);
    }
}
