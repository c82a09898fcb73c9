using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Ambient.Node.Connections;

namespace Ambient.Node.Tests.Connections;

/// <summary>What looking up names may cost, where clients choose them.</summary>
public sealed class NameResolverTests
{
    private static readonly IPAddress[] s_found = [IPAddress.Loopback];
    private static readonly IPAddress s_one = IPAddress.Parse("10.0.0.1");
    private static readonly IPAddress s_other = IPAddress.Parse("10.0.0.2");

    [Fact]
    public async Task Lookups_HaveABound_OfWhichAnAddressHasItsShare_UntilTheyHaveEnded()
    {
        var silent = new TaskCompletionSource<IPAddress[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        var names = new NameResolver(ipv6: false, TimeProvider.System, (_, _) => silent.Task);
        var waiting = Enumerable.Range(0, NameResolver.MostLookups / 2).Select(i => names.ResolveAsync($"a{i}.example", CancellationToken.None, s_one).AsTask()).ToArray();

        Assert.Null(await names.ResolveAsync("one-more.example", CancellationToken.None, s_one));
        Assert.DoesNotContain(waiting, static task => task.IsCompleted);

        // What is asked already may be waited for; another address has room, and what the configuration names always has.
        var same = names.ResolveAsync("A0.example", CancellationToken.None, s_one).AsTask();
        var others = names.ResolveAsync("b.example", CancellationToken.None, s_other).AsTask();
        var configured = names.ResolveAsync("c.example", CancellationToken.None).AsTask();
        Assert.Equal((NameResolver.MostLookups / 2) + 1, names.UnderWay);

        // Whoever leaves leaves the lookup behind, which still counts.
        using (var gone = new CancellationTokenSource())
        {
            var left = names.ResolveAsync("d.example", gone.Token, s_other).AsTask();
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
            Assert.Equal((NameResolver.MostLookups / 2) + 2, names.UnderWay);
        }

        silent.SetResult(s_found);
        Assert.All(await Task.WhenAll([.. waiting, same, others, configured]).WaitAsync(TimeSpan.FromSeconds(60)), addresses => Assert.Equal(s_found, addresses));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (names.UnderWay > 0)
        {
            await Task.Delay(10, deadline.Token);
        }

        Assert.Equal(s_found, await names.ResolveAsync("one-more.example", CancellationToken.None, s_one));
    }

    [Fact]
    public async Task OfTooManyNames_TheOldestAnswersAreLetGo_AndTheOthersStay()
    {
        var asked = new ConcurrentQueue<string>();
        var names = new NameResolver(ipv6: false, TimeProvider.System, (name, _) =>
        {
            asked.Enqueue(name);
            return Task.FromResult(s_found);
        });
        for (var i = 0; i <= NameResolver.MostNames; i++)
        {
            await names.ResolveAsync(string.Create(CultureInfo.InvariantCulture, $"a{i}.example"), CancellationToken.None);
        }

        await names.ResolveAsync($"a{NameResolver.MostNames - 1}.example", CancellationToken.None);
        await names.ResolveAsync($"a{NameResolver.MostNames / 2}.example", CancellationToken.None);
        Assert.Equal(NameResolver.MostNames + 1, asked.Count);
        await names.ResolveAsync("a0.example", CancellationToken.None);
        Assert.Equal(NameResolver.MostNames + 2, asked.Count);
    }
}
