namespace Ambient.Node.Lifetime;

/// <summary>
/// How long a host that leaves goes on accepting. Who is told of it by a control plane or a load balancer is told late, and sends connections here
/// meanwhile: a port that closed at once would refuse them.
/// </summary>
internal static class DrainLead
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    /// <summary>How long peers go on after our own mesh has let go of us: they have the same news at about the same time.</summary>
    private static readonly TimeSpan s_afterWithdrawal = TimeSpan.FromSeconds(1);

    /// <summary>Waits until nobody needs the ports any more, or the time is over, or the grace period.</summary>
    /// <param name="shutdown">The drain, which has begun.</param>
    /// <param name="longest">How long at most; no more than half of the grace period either, the rest is for what is open.</param>
    /// <param name="isListed">Whether the mesh still sends peers here.</param>
    /// <param name="time">Clock.</param>
    public static async Task WaitAsync(Shutdown shutdown, TimeSpan longest, Func<bool> isListed, TimeProvider time)
    {
        var half = shutdown.Grace / 2;
        var began = time.GetTimestamp();
        long? withdrawn = null;
        while (!shutdown.Deadline.IsCancellationRequested && time.GetElapsedTime(began) < (longest < half ? longest : half))
        {
            withdrawn = isListed() ? null : withdrawn ?? time.GetTimestamp();
            if (withdrawn is { } since && time.GetElapsedTime(since) >= s_afterWithdrawal)
            {
                return;
            }

            await Task.Delay(s_look, time, shutdown.Deadline).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
