namespace Ambient.Hbone.Messages;

/// <summary>A connection as its server sees it.</summary>
internal interface IServedConnection
{
    /// <summary>Serves it until it ends. That it fails is not an error here: the task completes all the same.</summary>
    Task RunAsync();

    /// <summary>
    /// Leads the client on to another server, without a request that it may be sending being lost: HTTP/2 says GOAWAY, HTTP/1.1 says with the next
    /// answer that it is the last. An idle connection of HTTP/1.1 stays open. Any thread, any number of times.
    /// </summary>
    void LeadOn();

    /// <summary>No further requests: what is under way goes on, and then the connection ends. Any thread, any number of times.</summary>
    void Drain();

    /// <summary>Ends it at once, breaking off what is under way. Any thread, any number of times.</summary>
    void Abort();

    /// <summary>Checks what has a time limit. From the server's timer.</summary>
    /// <param name="now">Timestamp of the server's clock.</param>
    void CheckTime(long now);
}
