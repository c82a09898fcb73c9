using Ambient.Testing.Fuzzing;

namespace Ambient.Core.Tests.Fuzzing;

/// <summary>What all fuzz tests stand on: that their rounds are run, and that a round that fails can be run again.</summary>
public sealed class FuzzBudgetTests
{
    [Fact]
    public void Rounds_InTheTestRun_AreAlwaysTheSame() =>
        Assert.Equal([0, 1, 2], FuzzBudget.Seeds(3, _ => null));

    [Fact]
    public void Rounds_OnDemand_GoOnForTheTime_FromNewSeeds()
    {
        var seeds = FuzzBudget.Seeds(1, name => name == FuzzBudget.SecondsVariable ? "1" : null).Take(100).ToList();

        Assert.Equal(100, seeds.Count);
        Assert.True(seeds.Distinct().Count() > 90);
        Assert.Empty(FuzzBudget.Seeds(1, name => name == FuzzBudget.SecondsVariable ? "0" : null));
    }

    [Fact]
    public void Seed_RunsThatRoundAlone() =>
        Assert.Equal([77], FuzzBudget.Seeds(1000, name => name == FuzzBudget.SeedVariable ? "77" : "1"));

    [Fact]
    public async Task RoundThatFails_SaysItsSeedAndWhy()
    {
        var e = Assert.Throws<FuzzException>(() => FuzzBudget.Run(1, random => throw new InvalidOperationException("the cause")));
        Assert.Contains("AMBIENT_FUZZ_SEED=", e.Message, StringComparison.Ordinal);
        Assert.Contains("the cause", e.Message, StringComparison.Ordinal);
        Assert.IsType<InvalidOperationException>((await Assert.ThrowsAsync<FuzzException>(() => FuzzBudget.RunAsync(1, _ => throw new InvalidOperationException()))).InnerException);
    }

    [Fact]
    public void Damage_OfOneSeed_IsOneDamage_AndSeedsDiffer()
    {
        var good = Enumerable.Range(0, 64).Select(i => (byte)i).ToArray();
        var many = Enumerable.Range(0, 200).Select(seed => Convert.ToHexString(Damage.Of(good, new Random(seed)))).ToList();

        Assert.Equal(many, Enumerable.Range(0, 200).Select(seed => Convert.ToHexString(Damage.Of(good, new Random(seed)))));
        Assert.True(many.Distinct().Count() > 150);
        Assert.Contains(many, hex => hex.Length < 128);
        Assert.Contains(many, hex => hex.Length > 128);
        Assert.NotEqual(Damage.Of("some text that is right", new Random(1), "{"), Damage.Of("some text that is right", new Random(2), "{"));
        Assert.NotNull(Damage.Of("", new Random(3)));
        Assert.NotNull(Damage.Of([], new Random(3)));
    }
}
