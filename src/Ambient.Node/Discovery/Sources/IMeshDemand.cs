using Ambient.Mesh;

namespace Ambient.Node.Discovery.Sources;

/// <summary>What came of asking a control plane for a name.</summary>
internal enum DemandAnswer
{
    /// <summary>The mesh knows it now.</summary>
    Known,

    /// <summary>The control plane has nothing of that name.</summary>
    Absent,

    /// <summary>No answer came in time: nothing may be concluded.</summary>
    Unanswered,
}

/// <summary>A mesh that is learned piece by piece: whoever misses something in a snapshot asks for it, and decides again.</summary>
internal interface IMeshDemand
{
    /// <summary>Whether somebody is there to answer now.</summary>
    bool IsOpen { get; }

    /// <summary>
    /// Asks for a name (<c>network/ip</c> or <c>namespace/hostname</c>). When the answer is <see cref="DemandAnswer.Known"/>, what was learned is in
    /// the live snapshot already. Never throws; a wait that is cancelled is unanswered.
    /// </summary>
    ValueTask<DemandAnswer> AskAsync(string name, TimeSpan patience, CancellationToken cancellationToken);
}

/// <summary>Decisions over a mesh that may not know everything yet.</summary>
internal static class MeshDemand
{
    /// <summary>How long a connection waits for what it needs to know.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // A service, its waypoint, a network gateway, and a waypoint that was drawn anew: more than that is a control plane that plays with us.
    private const int MostNames = 8;

    /// <summary>
    /// Decides; asks for what the decision names as unknown; and decides again, until nothing is unknown that the control plane could tell.
    /// Null: it did not answer.
    /// </summary>
    public static async ValueTask<T?> DecideAsync<T>(
        this IMeshDemand demand, IMeshSnapshotProvider mesh, Func<MeshSnapshot, T> decide, Func<T, string?> unknownOf, CancellationToken cancellationToken)
        where T : class
    {
        string? absent = null;
        for (var names = 0; ; names++)
        {
            var decision = decide(mesh.Current);
            var unknown = unknownOf(decision);
            if (unknown is null || unknown == absent || names == MostNames)
            {
                return decision;
            }

            switch (await demand.AskAsync(unknown, Patience, cancellationToken).ConfigureAwait(false))
            {
                case DemandAnswer.Unanswered:
                    return null;
                case DemandAnswer.Absent:
                    absent = unknown;
                    break;
            }
        }
    }

    /// <summary>Why a connection is refused when the control plane did not answer.</summary>
    public static string Unanswered(object what) =>
        $"the control plane did not say within {Patience.TotalSeconds:0} s what {what} is (XDS_ON_DEMAND): is it reachable? Nothing is let through that it was not asked about";
}
