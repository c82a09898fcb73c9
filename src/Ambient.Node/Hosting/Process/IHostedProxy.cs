using System.Net;

namespace Ambient.Node.Hosting.Process;

/// <summary>What runs in a host process: started, then alone with its connections until it is drained.</summary>
internal interface IHostedProxy : IAsyncDisposable
{
    /// <summary>The admin endpoint.</summary>
    IPEndPoint? AdminEndPoint { get; }

    /// <summary>Serves until the drain is over.</summary>
    Task RunUntilDrainedAsync();
}
