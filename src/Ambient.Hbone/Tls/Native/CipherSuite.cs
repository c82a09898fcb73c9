using System.Security.Cryptography;

namespace Ambient.Hbone.Tls.Native;

/// <summary>One of the two suites that we speak (RFC 8446, B.4): its AEAD, by OpenSSL, and its hash.</summary>
internal sealed unsafe class CipherSuite
{
    private CipherSuite(ushort id, ReadOnlySpan<byte> cipher, int keySize, HashAlgorithmName hash, int hashSize)
    {
        Id = id;
        KeySize = keySize;
        Hash = hash;
        HashSize = hashSize;
        fixed (byte* name = cipher)
        {
            // Fetched once and for ever: looking it up by name costs more than a small record.
            Cipher = OpenSsl.EVP_CIPHER_fetch(0, name, null);
        }
    }

    /// <summary>TLS_AES_128_GCM_SHA256.</summary>
    public static CipherSuite Aes128 { get; } = new(0x1301, "AES-128-GCM\0"u8, 16, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);

    /// <summary>TLS_AES_256_GCM_SHA384.</summary>
    public static CipherSuite Aes256 { get; } = new(0x1302, "AES-256-GCM\0"u8, 32, HashAlgorithmName.SHA384, SHA384.HashSizeInBytes);

    /// <summary>Its number on the wire.</summary>
    public ushort Id { get; }

    /// <summary>EVP_CIPHER; 0 when this OpenSSL does not have it.</summary>
    public nint Cipher { get; }

    /// <summary>Bytes of a key.</summary>
    public int KeySize { get; }

    /// <summary>Hash of its key schedule.</summary>
    public HashAlgorithmName Hash { get; }

    /// <summary>Bytes of its hash, and of its secrets.</summary>
    public int HashSize { get; }

    /// <summary>A suite by its number; null when it is neither.</summary>
    public static CipherSuite? Of(ushort id) => id == Aes128.Id ? Aes128 : id == Aes256.Id ? Aes256 : null;

    /// <summary>HKDF-Expand-Label with an empty context (RFC 8446, 7.1).</summary>
    /// <param name="secret">Secret.</param>
    /// <param name="label">Label without its <c>tls13 </c>; at most 16 bytes.</param>
    /// <param name="output">Takes the result; at most 255 bytes.</param>
    public void Expand(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> label, Span<byte> output)
    {
        Span<byte> info = stackalloc byte[10 + 16];
        var prefix = "tls13 "u8;
        info[0] = 0;
        info[1] = (byte)output.Length;
        info[2] = (byte)(prefix.Length + label.Length);
        prefix.CopyTo(info[3..]);
        label.CopyTo(info[9..]);
        info[9 + label.Length] = 0;
        HKDF.Expand(Hash, secret, output, info[..(10 + label.Length)]);
    }
}
