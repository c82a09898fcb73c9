namespace Ambient.Hbone.Messages;

/// <summary>A request that a server refused by itself.</summary>
/// <param name="ConnectionState">What the connection was served with.</param>
/// <param name="Status">The status that it was answered with; 0 where the stream was reset or the connection closed instead.</param>
/// <param name="Reason">What is wrong with it, for a log.</param>
public readonly record struct MessageRefusal(object? ConnectionState, int Status, string Reason);
