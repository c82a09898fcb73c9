using System.Globalization;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Every further recorded case, over sockets: a waypoint, and a gateway where there is one, that a folder of manifests told of the mesh, beside the same that
/// istiod told by what it sends to Envoy. Both are asked the same, do the same, and it is what is expected. One has spans: who listens for them listens in the whole
/// process, and requests of other recordings would carry a <c>traceparent</c> meanwhile, so they take turns.
/// </summary>
[Trait("Category", "Golden")]
[Collection(GoldenRequestTests.Collection)]
public sealed class CaseTests : IClassFixture<CaseBackends>
{
    private readonly CaseBackends _backends;

    public CaseTests(CaseBackends backends) => _backends = backends;

    public static IEnumerable<object[]> Names => GoldenFolder.Cases("xds");

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public async Task Case_IsAnsweredAlike_FromManifestsAndFromIstiod(string name)
    {
        var questions = CaseTable.Of(name);
        await using var run = await CaseRun.StartAsync(name, _backends);
        var problems = new List<string>();
        foreach (var question in questions)
        {
            if (await ProblemAsync(run, question) is { } problem)
            {
                problems.Add($"{question}\n    {problem}");
            }
        }

        Assert.True(problems.Count == 0, $"{name}: {problems.Count} of {questions.Length}\n{string.Join('\n', problems)}");
    }

    [SkippableFact]
    public void Cases_AreAllAsked_ThreeTimesOrMore_AndThoseThatDifferAreNamed()
    {
        var names = GoldenFolder.Cases("xds").Select(row => (string)row[0]).ToArray();
        _ = GoldenFolder.Case("xds", names[0]);

        Assert.Equal(names, CaseTable.Names.Order(StringComparer.Ordinal));
        Assert.All(names, name => Assert.True(CaseTable.Of(name).Length >= 3, name));
        Assert.Equal(CaseDifferences.All.Keys.Order(StringComparer.Ordinal), names.Where(name => CaseTable.Of(name).Any(question => !question.ByRecording.IsEmpty)));
        Assert.True(names.Length - CaseDifferences.All.Count >= 40, $"{CaseDifferences.All.Count} differ");
    }

    private async Task<string?> ProblemAsync(CaseRun run, Question question)
    {
        var byRecording = question.ByRecording.IsEmpty ? question.Expected : question.ByRecording;
        var tellers = new[] { (Side: run.Folder, question.Expected), (Side: run.Recording, Expected: byRecording) };
        _backends.Seen.Clear();
        var outcomes = new CaseOutcome[2][];
        if (question.Speech == Speech.Bytes)
        {
            // Bytes do not say whose they are.
            for (var i = 0; i < tellers.Length; i++)
            {
                _backends.Seen.Clear();
                outcomes[i] = await AskAsync(tellers[i].Side, question, run.Mesh, tellers[i].Expected);
            }
        }
        else
        {
            outcomes = await Task.WhenAll(tellers.Select(teller => AskAsync(teller.Side, question, run.Mesh, teller.Expected)));
        }

        var problem = Against(run.Folder.Name, outcomes[0], question, question.Expected) ?? Against(run.Recording.Name, outcomes[1], question, byRecording);
        if (problem is not null || question.ByRecording.Length > 0)
        {
            // The table of differences only ever gets shorter.
            return problem ?? (outcomes[0].All(outcome => byRecording.Any(each => outcome.Meets(each, question))) && outcomes[1].All(outcome => question.Expected.Any(each => outcome.Meets(each, question)))
                ? "it does not differ any more"
                : null);
        }

        var (told, recorded) = (Distinct(outcomes[0], question), Distinct(outcomes[1], question));
        if (told != recorded)
        {
            return $"by manifests {told}\n    by istiod    {recorded}";
        }

        return question.IsSticky && outcomes[0][0].Pod != outcomes[1][0].Pod ? $"by manifests it sticks to {outcomes[0][0].Pod}, by istiod to {outcomes[1][0].Pod}" : null;
    }

    /// <summary>Everything that came of it, without what need not happen.</summary>
    private static string Distinct(CaseOutcome[] outcomes, Question question) => string.Join(
        "\n    ", outcomes.Where(outcome => question.Expected.Any(each => !each.IsRare && outcome.Meets(each, question))).Select(outcome => question.IsLoose ? outcome.Essence : outcome.Text).Distinct().Order(StringComparer.Ordinal));

    private async Task<CaseOutcome[]> AskAsync(CaseSide side, Question question, MeshSnapshot mesh, IReadOnlyCollection<Expected> expected)
    {
        var host = side.HostOf(question);
        var asked = new string[question.Tries];
        var answers = new CaseAnswer[question.Tries];
        await Parallel.ForAsync(0, question.Tries, new ParallelOptions { MaxDegreeOfParallelism = question.Speech == Speech.Bytes ? 1 : 8 }, async (i, _) =>
        {
            asked[i] = Guid.NewGuid().ToString("n", CultureInfo.InvariantCulture);
            answers[i] = await side.Client.AskAsync(host, question, asked[i], i);
        });

        // A copy may still be on its way when the request itself is answered.
        var outcomes = Outcomes();
        for (var i = 0; i < 100 && !outcomes.All(outcome => expected.Any(each => outcome.Meets(each, question))); i++)
        {
            await Task.Delay(10);
            outcomes = Outcomes();
        }

        return outcomes;

        CaseOutcome[] Outcomes()
        {
            var seen = _backends.Seen.ToArray();
            if (question.Speech != Speech.Bytes)
            {
                var byTry = seen.ToLookup(each => each.AskedBy);
                return [.. answers.Select((answer, i) => new CaseOutcome(answer, [.. byTry[asked[i]]], mesh))];
            }

            if (question.Tries == 1)
            {
                return [new CaseOutcome(answers[0], seen, mesh)];
            }

            // Each connection that came back has one sight, in order.
            var next = 0;
            return [.. answers.Select(answer => new CaseOutcome(answer, answer.Status == 200 && next < seen.Length ? [seen[next++]] : [], mesh))];
        }
    }

    private static string? Against(string source, CaseOutcome[] outcomes, Question question, IReadOnlyCollection<Expected> expected)
    {
        var problem = new StringBuilder();
        foreach (var text in outcomes.Where(outcome => !expected.Any(each => outcome.Meets(each, question))).Select(outcome => outcome.Text).Distinct().Take(3))
        {
            problem.Append(CultureInfo.InvariantCulture, $"\n    not expected: {text}");
        }

        foreach (var missing in expected.Where(each => !each.IsRare && !outcomes.Any(outcome => outcome.Meets(each, question))))
        {
            problem.Append(CultureInfo.InvariantCulture, $"\n    did not happen: {missing}");
        }

        var pods = outcomes.GroupBy(outcome => outcome.Pod ?? "nobody").ToDictionary(group => group.Key, group => group.Count());
        if (!question.Pods.IsEmpty && !pods.Keys.Order(StringComparer.Ordinal).SequenceEqual(question.Pods.Order(StringComparer.Ordinal)))
        {
            problem.Append(CultureInfo.InvariantCulture, $"\n    reached {string.Join(' ', pods.Select(pod => $"{pod.Key} {pod.Value}"))}, not {string.Join(' ', question.Pods)}");
        }

        for (var i = 0; i < question.Shares.Length; i++)
        {
            // As much as chance allows.
            var share = (double)question.Shares[i] / question.Shares.Sum();
            var count = pods.GetValueOrDefault(question.Pods[i]);
            if (Math.Abs(count - (share * outcomes.Length)) > (5 * Math.Sqrt(outcomes.Length * share * (1 - share))) + 1)
            {
                problem.Append(CultureInfo.InvariantCulture, $"\n    {question.Pods[i]} {count} times of {outcomes.Length}, not {share:p0}");
            }
        }

        if (question.IsSticky && pods.Count > 1)
        {
            problem.Append(CultureInfo.InvariantCulture, $"\n    sticks to no pod: {string.Join(' ', pods.Select(pod => $"{pod.Key} {pod.Value}"))}");
        }

        return problem.Length == 0 ? null : $"{source}:{problem}";
    }
}
