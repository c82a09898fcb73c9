using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ambient.Hbone.Tls.Native;

/// <summary>
/// Protects the records of one direction (RFC 8446, 5.2 to 5.5) by libcrypto's AEAD. Its secret and its IV lie outside of the managed heap, are
/// never copied from there, and are zeroed when they are replaced or the cipher is released. One user at a time; not safe for concurrent use.
/// </summary>
internal sealed unsafe class RecordCipher : SafeHandle
{
    /// <summary>Bytes of a record's header.</summary>
    public const int Header = 5;

    /// <summary>Bytes of the tag behind what is encrypted.</summary>
    public const int Tag = 16;

    /// <summary>Bytes of content that a record may have.</summary>
    public const int MaxContent = 16 * 1024;

    /// <summary>Type of every record that is protected.</summary>
    public const byte ApplicationData = 23;

    // RFC 8446, 5.5: 2^24.5 full records under one key; half of that is early enough.
    private const ulong MaxRecords = 1ul << 23;
    private const int NonceSize = 12;
    private const int GetTag = 0x10;
    private const int SetTag = 0x11;
    private readonly CipherSuite _suite;
    private readonly bool _encrypts;
    private byte* _secret;

    /// <summary>Takes a secret, which is copied.</summary>
    /// <param name="suite">The suite that was agreed on.</param>
    /// <param name="secret">The direction's application traffic secret.</param>
    /// <param name="encrypts">Whether the direction is ours.</param>
    /// <exception cref="CryptographicException">OpenSSL cannot do it.</exception>
    public RecordCipher(CipherSuite suite, ReadOnlySpan<byte> secret, bool encrypts)
        : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, suite.HashSize);
        _suite = suite;
        _encrypts = encrypts;
        _secret = (byte*)NativeMemory.AllocZeroed((nuint)(suite.HashSize + NonceSize));
        secret.CopyTo(Secret);
        SetHandle(OpenSsl.EVP_CIPHER_CTX_new());
        if (IsInvalid)
        {
            throw new CryptographicException("OpenSSL has no memory for a cipher");
        }

        Rekey();
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Records so far under the present key.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>Records after which <see cref="IsWornOut"/>; tests lower it.</summary>
    public ulong RecordLimit { get; set; } = MaxRecords;

    /// <summary>Whether the key has protected as much as it should.</summary>
    public bool IsWornOut => Sequence >= RecordLimit;

    private Span<byte> Secret => new(_secret, _suite.HashSize);

    private byte* Iv => _secret + _suite.HashSize;

    /// <summary>The next secret and its key (RFC 8446, 7.2).</summary>
    public void Update()
    {
        Span<byte> next = stackalloc byte[_suite.HashSize];
        _suite.Expand(Secret, "traffic upd"u8, next);
        next.CopyTo(Secret);
        CryptographicOperations.ZeroMemory(next);
        Rekey();
    }

    /// <summary>Makes a record.</summary>
    /// <param name="type">Type of the content.</param>
    /// <param name="content">The content, at most <see cref="MaxContent"/> bytes.</param>
    /// <param name="record">Takes the record; must not overlap.</param>
    /// <returns>Bytes of the record.</returns>
    public int Seal(byte type, ReadOnlySpan<byte> content, Span<byte> record)
    {
        var protectedSize = content.Length + 1 + Tag;
        ArgumentOutOfRangeException.ThrowIfLessThan(record.Length, Header + protectedSize);
        record[0] = ApplicationData;
        record[1] = 3;
        record[2] = 3;
        BinaryPrimitives.WriteUInt16BigEndian(record[3..], (ushort)protectedSize);
        int done;
        fixed (byte* from = content)
        fixed (byte* to = record)
        {
            var inner = to + Header;
            if (!Begin(to)
                || (content.Length > 0 && OpenSsl.EVP_CipherUpdate(handle, inner, &done, from, content.Length) != 1)
                || OpenSsl.EVP_CipherUpdate(handle, inner + content.Length, &done, &type, 1) != 1
                || OpenSsl.EVP_CipherFinal_ex(handle, inner + content.Length + 1, &done) != 1
                || OpenSsl.EVP_CIPHER_CTX_ctrl(handle, GetTag, Tag, inner + content.Length + 1) != 1)
            {
                throw new CryptographicException($"a TLS record cannot be encrypted: {OpenSsl.TakeError()}");
            }
        }

        return Header + protectedSize;
    }

    /// <summary>
    /// Decrypts a record. What it writes is only to be used when it is genuine. The record's last bytes, its type and padding, may lie beyond
    /// <paramref name="inner"/>'s end and are then in <paramref name="rest"/>.
    /// </summary>
    /// <param name="record">A whole record, header included; longer than header and tag.</param>
    /// <param name="inner">Takes content, type and padding; must not overlap.</param>
    /// <param name="rest">Takes what does not fit.</param>
    /// <returns>Whether it is genuine.</returns>
    public bool TryOpen(ReadOnlySpan<byte> record, Span<byte> inner, Span<byte> rest)
    {
        var size = record.Length - Header - Tag;
        var first = Math.Min(size, inner.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size - first, rest.Length);
        int done;
        byte none;
        fixed (byte* from = record)
        fixed (byte* to = inner)
        fixed (byte* beyond = rest)
        {
            var genuine = Begin(from)
                && (first == 0 || OpenSsl.EVP_CipherUpdate(handle, to, &done, from + Header, first) == 1)
                && (first == size || OpenSsl.EVP_CipherUpdate(handle, beyond, &done, from + Header + first, size - first) == 1)
                && OpenSsl.EVP_CIPHER_CTX_ctrl(handle, SetTag, Tag, from + Header + size) == 1
                && OpenSsl.EVP_CipherFinal_ex(handle, &none, &done) == 1;
            if (!genuine)
            {
                inner[..first].Clear();
                rest[..(size - first)].Clear();
                OpenSsl.ERR_clear_error();
            }

            return genuine;
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        OpenSsl.EVP_CIPHER_CTX_free(handle);
        FreeSecret();
        return true;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (IsInvalid)
        {
            FreeSecret();
        }
    }

    private void FreeSecret()
    {
        if (_secret is not null)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(_secret, _suite.HashSize + NonceSize));
            NativeMemory.Free(_secret);
            _secret = null;
        }
    }

    /// <summary>The nonce of the next record (RFC 8446, 5.3), and its header as additional data.</summary>
    private bool Begin(byte* header)
    {
        var nonce = stackalloc byte[NonceSize];
        var iv = Iv;
        *(uint*)nonce = *(uint*)iv;
        *(ulong*)(nonce + 4) = *(ulong*)(iv + 4) ^ (BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(Sequence) : Sequence);
        Sequence++;
        int done;
        return OpenSsl.EVP_CipherInit_ex(handle, 0, 0, null, nonce, -1) == 1
            && OpenSsl.EVP_CipherUpdate(handle, null, &done, header, Header) == 1;
    }

    private void Rekey()
    {
        Sequence = 0;
        Span<byte> key = stackalloc byte[_suite.KeySize];
        _suite.Expand(Secret, "key"u8, key);
        _suite.Expand(Secret, "iv"u8, new Span<byte>(Iv, NonceSize));
        int set;
        fixed (byte* k = key)
        {
            set = OpenSsl.EVP_CipherInit_ex(handle, _suite.Cipher, 0, k, Iv, _encrypts ? 1 : 0);
        }

        CryptographicOperations.ZeroMemory(key);
        if (set != 1)
        {
            throw new CryptographicException($"OpenSSL does not take a key: {OpenSsl.TakeError()}");
        }
    }
}
