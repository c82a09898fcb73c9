using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>Which exceptions bytes of the control plane cause, and no fault of ours.</summary>
internal static class Faults
{
    /// <summary>Whether it says that bytes, or a value in them, cannot be read.</summary>
    public static bool IsOfBytes(Exception e) => e is InvalidProtocolBufferException or InvalidDataException or ArgumentException or InvalidOperationException or OverflowException;
}
