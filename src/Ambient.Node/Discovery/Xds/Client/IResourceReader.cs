namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>
/// Reads resources of a session's own types where they lie in the message, one by one as they come: the message is tens of megabytes, most of it is as
/// before, and nothing of that is to be copied. Used by one thread at a time, that of the session.
/// </summary>
internal interface IResourceReader
{
    /// <summary>Stands for a resource that repeats what is in use. Nothing of it is kept, not even its name.</summary>
    static readonly object Unchanged = new();

    /// <summary>Reads a resource; null: it is of no type that is known; <see cref="Unchanged"/>: there is nothing to apply.</summary>
    /// <param name="type">What it says that it is.</param>
    /// <param name="name">Its name.</param>
    /// <param name="value">The message; it is gone after the call.</param>
    /// <param name="decoding">Takes the processor time that it took to decode the message, where it was.</param>
    object? Read(ReadOnlySpan<byte> type, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, ref TimeSpan decoding);
}
