using System.Net;

namespace Ambient.Hbone.Admission;

/// <summary>One handshake's place at the <see cref="HandshakeGate"/>: it computes only while it has a turn. One user at a time.</summary>
internal sealed class HandshakeTurns(HandshakeGate gate, HandshakeGate.AddressState state, IPAddress address, Action giveWay)
{
    private long _turnBegan;
    private bool _hasTurn;
    private volatile bool _gaveWay;

    public IPAddress Address { get; } = address;

    /// <summary>How long its turns took together.</summary>
    public TimeSpan Worked { get; private set; }

    /// <summary>Whether it was ended in favour of another one.</summary>
    public bool GaveWay => _gaveWay;

    internal HandshakeGate.AddressState State { get; } = state;

    internal LinkedListNode<HandshakeTurns>? Place { get; set; }

    /// <summary>Waits for a turn; what follows runs on the thread pool.</summary>
    public async ValueTask EnterAsync()
    {
        if (!_hasTurn)
        {
            await gate.EnterAsync(this).ConfigureAwait(false);
            _hasTurn = true;
            _turnBegan = gate.Time.GetTimestamp();
        }
    }

    /// <summary>Gives the turn back, as before every wait for the peer. Harmless without one.</summary>
    public void Leave()
    {
        if (_hasTurn)
        {
            _hasTurn = false;
            Worked += gate.Time.GetElapsedTime(_turnBegan);
            gate.Leave();
        }
    }

    /// <summary>Ends the handshake for others' sake.</summary>
    internal void GiveWay()
    {
        _gaveWay = true;
        giveWay();
    }

    /// <summary>The handshake is over.</summary>
    /// <param name="failed">Whether it failed by the peer's doing, which costs its address time.</param>
    public void End(bool failed)
    {
        Leave();
        gate.End(this, failed);
    }
}
