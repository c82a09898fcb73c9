namespace Ambient.Node.ControlPlane;

/// <summary>The control plane cannot be reached or used. The message says which part, where, and what to look at.</summary>
internal sealed class ControlPlaneException(string message, Exception? innerException = null) : Exception(message, innerException);
