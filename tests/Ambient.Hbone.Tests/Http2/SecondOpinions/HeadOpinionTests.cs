using System.Net;
using Ambient.Hbone.Tests.Messages;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.SecondOpinions;

/// <summary>
/// Heads of requests over HTTP/2, as our server reads them, beside Kestrel and Node's library (nghttp2): what two of them take, they read as the same
/// request. Where one takes what another refuses, the table in <c>docs/protocol.md</c> has a row for it, as <see cref="HeadDifferences"/> has here.
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class HeadOpinionTests
{
    [Fact]
    public async Task Kestrel_reads_what_we_read()
    {
        await using var kestrel = await HeadServers.KestrelAsync();
        await CompareAsync(IPEndPoint.Parse(new Uri(kestrel.Urls.Single()).Authority), HeadDifferences.Kestrel);
    }

    [SkippableFact]
    public async Task Node_reads_what_we_read()
    {
        var node = await HeadServers.NodeAsync();
        Skip.If(node is null, "node is not installed");
        using var process = node!.Value.Process;
        try
        {
            await CompareAsync(node.Value.EndPoint, HeadDifferences.Node);
        }
        finally
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        }
    }

    private static async Task CompareAsync(IPEndPoint server, HeadDifferences differences)
    {
        await using var ours = HeadServers.Ours();
        var wrong = new List<string>();
        foreach (var request in HeadCase.Seeds)
        {
            wrong.AddRange(await CompareAsync(ours, server, request, differences));
        }

        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.Empty(differences.Unseen);
        var seeds = HeadCase.Seeds.ToArray();
        await FuzzBudget.RunAsync(300, async random =>
        {
            var found = await CompareAsync(ours, server, seeds[random.Next(seeds.Length)].Damage(random), differences);
            Assert.True(found.Length == 0, string.Join("\n", found));
        });
    }

    private static async Task<string[]> CompareAsync(MessageKit ours, IPEndPoint server, HeadCase request, HeadDifferences differences)
    {
        lock (ours.Handler.Refusals)
        {
            ours.Handler.Refusals.Clear();
        }

        var our = await HeadOpinion.AskAsync(ours.EndPoint, request);
        var their = await HeadOpinion.AskAsync(server, request);
        string reason;
        lock (ours.Handler.Refusals)
        {
            reason = ours.Handler.Refusals.Count > 0 ? ours.Handler.Refusals[^1].Reason : our.Reason;
        }

        var isExplained = (our.Read, their.Read) switch
        {
            (null, null) => true,
            (null, _) => differences.AreWeKnownToRefuse(reason),
            (_, null) => differences.AreTheyKnownToRefuse(request),
            var (one, other) => one == other,
        };
        return isExplained ? [] : [$"{request}\n  to us:   {our.Read ?? reason}\n  to them: {their.Read ?? their.Reason}"];
    }
}
