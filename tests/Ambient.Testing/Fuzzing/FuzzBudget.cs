using System.Diagnostics;
using System.Globalization;

namespace Ambient.Testing.Fuzzing;

/// <summary>
/// Rounds of a fuzz or property test. In the test run they are a fixed number from fixed seeds, so that every run is the same and none is
/// long. With <c>AMBIENT_FUZZ_SECONDS</c> (<c>./build.sh fuzz</c>) they go on for that long from seeds that nobody has tried. A round that fails
/// says its seed, and <c>AMBIENT_FUZZ_SEED</c> runs that one alone.
/// </summary>
public static class FuzzBudget
{
    /// <summary>How long each test goes on, in seconds.</summary>
    public const string SecondsVariable = "AMBIENT_FUZZ_SECONDS";

    /// <summary>The one round to run.</summary>
    public const string SeedVariable = "AMBIENT_FUZZ_SEED";

    /// <summary>Whether tests may take their time: what they leave out in the test run, they do then.</summary>
    public static bool IsLong => Environment.GetEnvironmentVariable(SecondsVariable) is { Length: > 0 };

    /// <summary>Runs rounds of a test that does not wait.</summary>
    /// <param name="rounds">How many in the test run: what takes well under a second.</param>
    /// <param name="round">One round; all that it does by chance comes from what it is given.</param>
    /// <exception cref="FuzzException">A round failed.</exception>
    public static void Run(int rounds, Action<Random> round)
    {
        ArgumentNullException.ThrowIfNull(round);
        foreach (var seed in Seeds(rounds, Environment.GetEnvironmentVariable))
        {
            try
            {
                round(new Random(seed));
            }
            catch (Exception e)
            {
                throw new FuzzException(seed, e);
            }
        }
    }

    /// <summary>Runs rounds of a test that waits, one after the other.</summary>
    /// <inheritdoc cref="Run"/>
    public static async Task RunAsync(int rounds, Func<Random, Task> round)
    {
        ArgumentNullException.ThrowIfNull(round);
        foreach (var seed in Seeds(rounds, Environment.GetEnvironmentVariable))
        {
            try
            {
                await round(new Random(seed));
            }
            catch (Exception e)
            {
                throw new FuzzException(seed, e);
            }
        }
    }

    /// <summary>The seeds of all rounds.</summary>
    /// <param name="rounds">How many, when no variable says otherwise.</param>
    /// <param name="variable">Reads a variable.</param>
    public static IEnumerable<int> Seeds(int rounds, Func<string, string?> variable)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rounds);
        ArgumentNullException.ThrowIfNull(variable);
        if (variable(SeedVariable) is { Length: > 0 } seed)
        {
            yield return int.Parse(seed, CultureInfo.InvariantCulture);
        }
        else if (variable(SecondsVariable) is { Length: > 0 } seconds)
        {
            var (limit, started) = (TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)), Stopwatch.GetTimestamp());
            while (Stopwatch.GetElapsedTime(started) < limit)
            {
                yield return Random.Shared.Next();
            }
        }
        else
        {
            for (var i = 0; i < rounds; i++)
            {
                yield return i;
            }
        }
    }
}

/// <summary>A round failed; the message says how to run it again.</summary>
public sealed class FuzzException(int seed, Exception cause)
    : Exception($"the round of seed {seed} failed ({FuzzBudget.SeedVariable}={seed} runs it alone): {cause}", cause);
