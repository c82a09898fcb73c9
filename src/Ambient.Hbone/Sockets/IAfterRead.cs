namespace Ambient.Hbone.Sockets;

/// <summary>What goes on when all that a read has brought was handled.</summary>
internal interface IAfterRead
{
    /// <summary>On the read loop: once for each time that it was asked for, or for several in a row.</summary>
    void OnReadHandled();
}
