namespace Ambient.Hbone.Sockets;

/// <summary>Told of the end of a peer while nobody waits to receive from it.</summary>
internal interface IHangUpWatcher
{
    /// <summary>The peer has ended its direction, or the channel failed; bytes from before may still be there. Any thread, and more than once.</summary>
    void OnHangUp();
}
