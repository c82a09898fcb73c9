using System.Security.Cryptography;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>Stands for bytes that were read, so that what comes again need not be read again: half of a SHA-256.</summary>
internal static class ByteDigest
{
    /// <summary>The digest of bytes.</summary>
    public static UInt128 Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, digest);
        return BitConverter.ToUInt128(digest);
    }
}
