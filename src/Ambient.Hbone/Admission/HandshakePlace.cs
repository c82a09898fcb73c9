namespace Ambient.Hbone.Admission;

/// <summary>
/// A TLS handshake of plain TCP among those that are under way at a host, which <see cref="ConnectionBudget"/> bounds in number, in all and for each
/// address. Between <see cref="EnterAsync"/> and <see cref="Leave"/> it computes, by turns with others: as many at once as there are processors,
/// and each address that waits gets a turn before any gets a second one. Dispose of it when the handshake is over. One user at a time.
/// </summary>
public sealed class HandshakePlace : IDisposable
{
    private readonly HandshakeTurns _turns;
    private bool _over;

    internal HandshakePlace(HandshakeTurns turns) => _turns = turns;

    /// <summary>Waits for a turn to compute; harmless for who has one.</summary>
    public ValueTask EnterAsync() => _over ? default : _turns.EnterAsync();

    /// <summary>Gives the turn back, as before every wait for the peer; harmless without one.</summary>
    public void Leave()
    {
        if (!_over)
        {
            _turns.Leave();
        }
    }

    /// <summary>The handshake is over, well or badly. An address is not made to wait for those that failed: many clients may share it.</summary>
    public void Dispose()
    {
        if (!_over)
        {
            _over = true;
            _turns.End(failed: false);
        }
    }
}
