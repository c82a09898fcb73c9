namespace Ambient.Node.Connections;

/// <summary>Accounts for a connection that has ended where the place that it came to may ask for another line than the host's own.</summary>
internal interface IConnectionAccount
{
    /// <summary>Writes its line, or leaves it out as the place asks. False: the host's own line is wanted.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="duration">From accept to end.</param>
    /// <param name="error">Why it failed, or null.</param>
    bool TryComplete(OpenConnection connection, TimeSpan duration, string? error);
}
