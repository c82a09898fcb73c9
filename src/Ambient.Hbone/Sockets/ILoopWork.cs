namespace Ambient.Hbone.Sockets;

/// <summary>Something that an <see cref="EventLoop"/> runs later in its turn, or in the next. Must not throw.</summary>
internal interface ILoopWork
{
    void Run();
}
