namespace Ambient.Hbone.Pooling;

/// <summary>What the pool needs of a connection.</summary>
internal interface IPooledConnection
{
    /// <summary>Whether it takes new streams. Once false, false for good.</summary>
    bool CanOpen { get; }

    /// <summary>Streams that it may carry at a time, by our limit and the peer's.</summary>
    int StreamLimit { get; }

    /// <summary>No more streams will be asked of it: it closes when the last one ends.</summary>
    void ShutDown();

    /// <summary>Time has passed: keepalive is due now and then.</summary>
    void Tick();
}
