using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Received;

/// <summary>A resource that is in use, as the control plane sent it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">The message.</param>
/// <param name="Version">Version that it came with; empty: none.</param>
/// <param name="At">When it came.</param>
/// <param name="Fault">What of it is not understood and therefore blocked, or why a later one was refused; null: nothing.</param>
internal sealed record ReceivedResource(string Name, ByteString Bytes, string Version, DateTimeOffset At, string? Fault);
