namespace Ambient.Hbone.Admission;

/// <summary>
/// One of the TLS handshakes under way at a host, whose number <see cref="ConnectionBudget"/> bounds in total and per address. Between
/// <see cref="EnterAsync"/> and <see cref="Leave"/> it may compute, in turn with the others: as many at once as there are processors, and every
/// waiting address gets a turn before any gets a second one. Dispose of it when the handshake is over. One user at a time.
/// </summary>
public sealed class HandshakePlace : IDisposable
{
    private readonly HandshakeTurns _turns;
    private bool _over;

    internal HandshakePlace(HandshakeTurns turns) => _turns = turns;

    /// <summary>Waits for a turn to compute. Returns at once if it already has one.</summary>
    public ValueTask EnterAsync() => _over ? default : _turns.EnterAsync();

    /// <summary>Gives the turn back; call it before every wait for the peer. Does nothing without a turn.</summary>
    public void Leave()
    {
        if (!_over)
        {
            _turns.Leave();
        }
    }

    /// <summary>The handshake is over, whether it succeeded or not. A failure is not held against the address, which many clients may share.</summary>
    public void Dispose()
    {
        if (!_over)
        {
            _over = true;
            _turns.End(failed: false);
        }
    }
}
