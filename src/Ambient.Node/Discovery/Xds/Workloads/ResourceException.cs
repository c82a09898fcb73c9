namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>One resource cannot be used; the message says which of its fields is at fault. It is refused, the others are taken.</summary>
internal sealed class ResourceException(string message) : Exception(message);
