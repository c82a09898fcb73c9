namespace Ambient.Node.Requests.Forwarding;

/// <summary>Whether a request that failed is sent again.</summary>
internal enum Retry
{
    /// <summary>It is not.</summary>
    No,

    /// <summary>To another endpoint, if there is one.</summary>
    Elsewhere,

    /// <summary>On a connection that is made for it.</summary>
    OnNewConnection,
}
