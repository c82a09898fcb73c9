using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Ambient.Policy.Authentication;
using Microsoft.Win32.SafeHandles;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// A key of the curve Ed25519 (RFC 8032, RFC 8037), which the base class library does not know: OpenSSL's libcrypto verifies with it. Where there is no
/// libcrypto 3, or it has no such curve, there is no such key either.
/// </summary>
internal sealed partial class EdwardsKey : VerificationKey
{
    /// <summary>Bytes of a public key (RFC 8032 section 5.1.5).</summary>
    public const int Length = 32;

    private const int SignatureLength = 64;
    private const string LibCrypto = "libcrypto.so.3";

    // NID_ED25519 of OpenSSL's obj_mac.h.
    private const int Ed25519 = 1087;

    private readonly KeyHandle _key;

    /// <summary>Takes a public key.</summary>
    /// <param name="keyId">Its name; null: none.</param>
    /// <param name="algorithm">The one algorithm that it is for; null: any that its kind allows.</param>
    /// <param name="point">The public key, <see cref="Length"/> bytes.</param>
    /// <exception cref="CryptographicException">The bytes are no key, or there is nothing to verify with.</exception>
    public EdwardsKey(string? keyId, string? algorithm, ReadOnlySpan<byte> point)
        : base(KeyKind.Ed25519, keyId, algorithm)
    {
        try
        {
            _key = point.Length == Length ? EVP_PKEY_new_raw_public_key(Ed25519, 0, point, Length) : new KeyHandle();
            ERR_clear_error();
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            throw new CryptographicException($"{LibCrypto} is needed for Ed25519: {e.Message}", e);
        }

        if (_key.IsInvalid)
        {
            throw new CryptographicException("not a public key of Ed25519");
        }
    }

    /// <inheritdoc/>
    public override bool Verify(string algorithm, byte[] input, byte[] signature)
    {
        if (signature.Length != SignatureLength)
        {
            return false;
        }

        var context = EVP_MD_CTX_new();
        try
        {
            var isValid = context != 0
                && EVP_DigestVerifyInit(context, 0, 0, 0, _key) == 1
                && EVP_DigestVerify(context, signature, SignatureLength, input, (nuint)input.Length) == 1;

            // What failed here must not be taken for a failure of whoever asks the library next on this thread.
            ERR_clear_error();
            return isValid;
        }
        finally
        {
            EVP_MD_CTX_free(context);
        }
    }

#pragma warning disable IDE1006, SA1300 // Names as OpenSSL's manual has them: whoever reads this has it open.
    [LibraryImport(LibCrypto)]
    private static partial KeyHandle EVP_PKEY_new_raw_public_key(int type, nint engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(LibCrypto)]
    private static partial void EVP_PKEY_free(nint key);

    [LibraryImport(LibCrypto)]
    private static partial nint EVP_MD_CTX_new();

    [LibraryImport(LibCrypto)]
    private static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(LibCrypto)]
    private static partial int EVP_DigestVerifyInit(nint context, nint keyContext, nint digest, nint engine, KeyHandle key);

    [LibraryImport(LibCrypto)]
    private static partial int EVP_DigestVerify(nint context, ReadOnlySpan<byte> signature, nuint signatureLength, ReadOnlySpan<byte> input, nuint inputLength);

    [LibraryImport(LibCrypto)]
    private static partial void ERR_clear_error();
#pragma warning restore IDE1006, SA1300

    /// <summary>An <c>EVP_PKEY</c>, freed when nobody has it any more.</summary>
    internal sealed class KeyHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
    {
        /// <inheritdoc/>
        protected override bool ReleaseHandle()
        {
            EVP_PKEY_free(handle);
            return true;
        }
    }
}
