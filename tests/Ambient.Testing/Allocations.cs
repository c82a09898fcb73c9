namespace Ambient.Testing;

/// <summary>Counts what code allocates on the managed heap, for tests that hold it to nothing.</summary>
public static class Allocations
{
    private const int Rounds = 6;

    /// <summary>
    /// Bytes that the quietest of a few rounds allocates on this thread. First rounds may pay for what happens once
    /// (static constructors, a method compiled again as it gets hot); what allocates each time shows in every one.
    /// </summary>
    /// <param name="round">One round, of many repetitions.</param>
    public static long InSteadyState(Action round)
    {
        ArgumentNullException.ThrowIfNull(round);
        var least = long.MaxValue;
        for (var i = 0; i < Rounds && least > 0; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
