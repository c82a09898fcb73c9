using System.Buffers.Binary;
using Ambient.Node.Requests;

namespace Ambient.Node.Gateway.Tls;

/// <summary>What a ClientHello says of the signatures that the client can verify (RFC 8446 section 4.2.3).</summary>
internal static class ClientHello
{
    private const ushort SignatureAlgorithms = 13;

    /// <summary>Whether the client takes a certificate with an ECDSA key. Of a hello that cannot be read: no, as RSA is what everybody takes.</summary>
    /// <param name="bytes">The first records of the connection.</param>
    public static bool TakesEcdsa(ReadOnlySpan<byte> bytes)
    {
        if (!ServerNameSniffer.TryReadExtension(bytes, SignatureAlgorithms, out var algorithms) || algorithms.Length < 2)
        {
            return false;
        }

        for (var i = 2; i + 1 < algorithms.Length; i += 2)
        {
            // ecdsa_secp256r1_sha256, ecdsa_secp384r1_sha384, ecdsa_secp521r1_sha512
            if (BinaryPrimitives.ReadUInt16BigEndian(algorithms.AsSpan(i)) is 0x0403 or 0x0503 or 0x0603)
            {
                return true;
            }
        }

        return false;
    }
}
