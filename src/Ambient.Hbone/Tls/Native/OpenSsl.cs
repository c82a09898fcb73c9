using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ambient.Hbone.Tls.Native;

/// <summary>
/// The functions of OpenSSL 3 that we call, by address. They are looked up once, in the library that the base class library has loaded
/// already: keys are handed over by their handles, so there must not be two of it. Nothing here is called unless <see cref="Missing"/> is null.
/// </summary>
internal static unsafe class OpenSsl
{
    private const string SslName = "libssl.so.3";
    private const string CryptoName = "libcrypto.so.3";

    // ERR_GET_REASON.
    private const ulong ReasonMask = 0x7fffff;

#pragma warning disable IDE1006 // Names as OpenSSL's manual has them: whoever reads this has it open.
    public static readonly delegate* unmanaged<void> ERR_clear_error;
    public static readonly delegate* unmanaged<CULong> ERR_get_error;
    public static readonly delegate* unmanaged<CULong, byte*> ERR_reason_error_string;
    public static readonly delegate* unmanaged<nint> BIO_s_mem;
    public static readonly delegate* unmanaged<nint, nint> BIO_new;
    public static readonly delegate* unmanaged<nint, int> BIO_free;
    public static readonly delegate* unmanaged<nint, byte*, int, int> BIO_write;
    public static readonly delegate* unmanaged<nint, byte*, int, int> BIO_read;
    public static readonly delegate* unmanaged<nint, int, CLong, void*, CLong> BIO_ctrl;
    public static readonly delegate* unmanaged<nint, nint> X509_STORE_CTX_get0_cert;
    public static readonly delegate* unmanaged<nint, nint> X509_STORE_CTX_get0_untrusted;
    public static readonly delegate* unmanaged<nint, int, void> X509_STORE_CTX_set_error;
    public static readonly delegate* unmanaged<nint*, byte**, CLong, nint> d2i_X509;
    public static readonly delegate* unmanaged<nint, byte**, int> i2d_X509;
    public static readonly delegate* unmanaged<nint, void> X509_free;
    public static readonly delegate* unmanaged<nint> OPENSSL_sk_new_null;
    public static readonly delegate* unmanaged<nint, nint, int> OPENSSL_sk_push;
    public static readonly delegate* unmanaged<nint, int> OPENSSL_sk_num;
    public static readonly delegate* unmanaged<nint, int, nint> OPENSSL_sk_value;
    public static readonly delegate* unmanaged<nint, void> OPENSSL_sk_free;
    public static readonly delegate* unmanaged<nint, byte*, byte*, nint> EVP_CIPHER_fetch;
    public static readonly delegate* unmanaged<nint> EVP_CIPHER_CTX_new;
    public static readonly delegate* unmanaged<nint, void> EVP_CIPHER_CTX_free;
    public static readonly delegate* unmanaged<nint, nint, nint, byte*, byte*, int, int> EVP_CipherInit_ex;
    public static readonly delegate* unmanaged<nint, byte*, int*, byte*, int, int> EVP_CipherUpdate;
    public static readonly delegate* unmanaged<nint, byte*, int*, int> EVP_CipherFinal_ex;
    public static readonly delegate* unmanaged<nint, int, int, void*, int> EVP_CIPHER_CTX_ctrl;
    public static readonly delegate* unmanaged<nint> TLS_method;
    public static readonly delegate* unmanaged<nint, nint> SSL_CTX_new;
    public static readonly delegate* unmanaged<nint, int, CLong, void*, CLong> SSL_CTX_ctrl;
    public static readonly delegate* unmanaged<nint, ulong, ulong> SSL_CTX_set_options;
    public static readonly delegate* unmanaged<nint, byte*, int> SSL_CTX_set_ciphersuites;
    public static readonly delegate* unmanaged<nint, nuint, int> SSL_CTX_set_num_tickets;
    public static readonly delegate* unmanaged<nint, int, nint, void> SSL_CTX_set_verify;
    public static readonly delegate* unmanaged<nint, delegate* unmanaged<nint, nint, int>, nint, void> SSL_CTX_set_cert_verify_callback;
    public static readonly delegate* unmanaged<nint, byte*, uint, int> SSL_CTX_set_alpn_protos;
    public static readonly delegate* unmanaged<nint, delegate* unmanaged<nint, byte**, byte*, byte*, uint, nint, int>, nint, void> SSL_CTX_set_alpn_select_cb;
    public static readonly delegate* unmanaged<nint, delegate* unmanaged<nint, byte*, void>, void> SSL_CTX_set_keylog_callback;
    public static readonly delegate* unmanaged<nint, nint> SSL_new;
    public static readonly delegate* unmanaged<nint, void> SSL_free;
    public static readonly delegate* unmanaged<nint, nint, nint, void> SSL_set_bio;
    public static readonly delegate* unmanaged<nint, void> SSL_set_connect_state;
    public static readonly delegate* unmanaged<nint, void> SSL_set_accept_state;
    public static readonly delegate* unmanaged<nint, nint, nint, nint, int, int> SSL_use_cert_and_key;
    public static readonly delegate* unmanaged<nint, int> SSL_do_handshake;
    public static readonly delegate* unmanaged<nint, int, int> SSL_get_error;
    public static readonly delegate* unmanaged<nint, byte**, uint*, void> SSL_get0_alpn_selected;
    public static readonly delegate* unmanaged<nint, nint> SSL_get_current_cipher;
    public static readonly delegate* unmanaged<nint, ushort> SSL_CIPHER_get_protocol_id;
#pragma warning restore IDE1006

    static OpenSsl()
    {
        Version = string.Empty;
        if (!OperatingSystem.IsLinux())
        {
            Missing = "OpenSSL is called directly on Linux only";
            return;
        }

        try
        {
            // This makes the base class library load its own first; ours is then the same by its name.
            var theirs = SafeEvpPKeyHandle.OpenSslVersion;
            if (!NativeLibrary.TryLoad(CryptoName, out var crypto) || !NativeLibrary.TryLoad(SslName, out var ssl))
            {
                Missing = $"{SslName} was not found";
                return;
            }

            var absent = new List<string>();
            var number = (delegate* unmanaged<CULong>)Find(crypto, "OpenSSL_version_num", absent);
            var name = (delegate* unmanaged<int, byte*>)Find(crypto, "OpenSSL_version", absent);
            ERR_clear_error = (delegate* unmanaged<void>)Find(crypto, nameof(ERR_clear_error), absent);
            ERR_get_error = (delegate* unmanaged<CULong>)Find(crypto, nameof(ERR_get_error), absent);
            ERR_reason_error_string = (delegate* unmanaged<CULong, byte*>)Find(crypto, nameof(ERR_reason_error_string), absent);
            BIO_s_mem = (delegate* unmanaged<nint>)Find(crypto, nameof(BIO_s_mem), absent);
            BIO_new = (delegate* unmanaged<nint, nint>)Find(crypto, nameof(BIO_new), absent);
            BIO_free = (delegate* unmanaged<nint, int>)Find(crypto, nameof(BIO_free), absent);
            BIO_write = (delegate* unmanaged<nint, byte*, int, int>)Find(crypto, nameof(BIO_write), absent);
            BIO_read = (delegate* unmanaged<nint, byte*, int, int>)Find(crypto, nameof(BIO_read), absent);
            BIO_ctrl = (delegate* unmanaged<nint, int, CLong, void*, CLong>)Find(crypto, nameof(BIO_ctrl), absent);
            X509_STORE_CTX_get0_cert = (delegate* unmanaged<nint, nint>)Find(crypto, nameof(X509_STORE_CTX_get0_cert), absent);
            X509_STORE_CTX_get0_untrusted = (delegate* unmanaged<nint, nint>)Find(crypto, nameof(X509_STORE_CTX_get0_untrusted), absent);
            X509_STORE_CTX_set_error = (delegate* unmanaged<nint, int, void>)Find(crypto, nameof(X509_STORE_CTX_set_error), absent);
            d2i_X509 = (delegate* unmanaged<nint*, byte**, CLong, nint>)Find(crypto, nameof(d2i_X509), absent);
            i2d_X509 = (delegate* unmanaged<nint, byte**, int>)Find(crypto, nameof(i2d_X509), absent);
            X509_free = (delegate* unmanaged<nint, void>)Find(crypto, nameof(X509_free), absent);
            OPENSSL_sk_new_null = (delegate* unmanaged<nint>)Find(crypto, nameof(OPENSSL_sk_new_null), absent);
            OPENSSL_sk_push = (delegate* unmanaged<nint, nint, int>)Find(crypto, nameof(OPENSSL_sk_push), absent);
            OPENSSL_sk_num = (delegate* unmanaged<nint, int>)Find(crypto, nameof(OPENSSL_sk_num), absent);
            OPENSSL_sk_value = (delegate* unmanaged<nint, int, nint>)Find(crypto, nameof(OPENSSL_sk_value), absent);
            OPENSSL_sk_free = (delegate* unmanaged<nint, void>)Find(crypto, nameof(OPENSSL_sk_free), absent);
            EVP_CIPHER_fetch = (delegate* unmanaged<nint, byte*, byte*, nint>)Find(crypto, nameof(EVP_CIPHER_fetch), absent);
            EVP_CIPHER_CTX_new = (delegate* unmanaged<nint>)Find(crypto, nameof(EVP_CIPHER_CTX_new), absent);
            EVP_CIPHER_CTX_free = (delegate* unmanaged<nint, void>)Find(crypto, nameof(EVP_CIPHER_CTX_free), absent);
            EVP_CipherInit_ex = (delegate* unmanaged<nint, nint, nint, byte*, byte*, int, int>)Find(crypto, nameof(EVP_CipherInit_ex), absent);
            EVP_CipherUpdate = (delegate* unmanaged<nint, byte*, int*, byte*, int, int>)Find(crypto, nameof(EVP_CipherUpdate), absent);
            EVP_CipherFinal_ex = (delegate* unmanaged<nint, byte*, int*, int>)Find(crypto, nameof(EVP_CipherFinal_ex), absent);
            EVP_CIPHER_CTX_ctrl = (delegate* unmanaged<nint, int, int, void*, int>)Find(crypto, nameof(EVP_CIPHER_CTX_ctrl), absent);
            TLS_method = (delegate* unmanaged<nint>)Find(ssl, nameof(TLS_method), absent);
            SSL_CTX_new = (delegate* unmanaged<nint, nint>)Find(ssl, nameof(SSL_CTX_new), absent);
            SSL_CTX_ctrl = (delegate* unmanaged<nint, int, CLong, void*, CLong>)Find(ssl, nameof(SSL_CTX_ctrl), absent);
            SSL_CTX_set_options = (delegate* unmanaged<nint, ulong, ulong>)Find(ssl, nameof(SSL_CTX_set_options), absent);
            SSL_CTX_set_ciphersuites = (delegate* unmanaged<nint, byte*, int>)Find(ssl, nameof(SSL_CTX_set_ciphersuites), absent);
            SSL_CTX_set_num_tickets = (delegate* unmanaged<nint, nuint, int>)Find(ssl, nameof(SSL_CTX_set_num_tickets), absent);
            SSL_CTX_set_verify = (delegate* unmanaged<nint, int, nint, void>)Find(ssl, nameof(SSL_CTX_set_verify), absent);
            SSL_CTX_set_cert_verify_callback =
                (delegate* unmanaged<nint, delegate* unmanaged<nint, nint, int>, nint, void>)Find(ssl, nameof(SSL_CTX_set_cert_verify_callback), absent);
            SSL_CTX_set_alpn_protos = (delegate* unmanaged<nint, byte*, uint, int>)Find(ssl, nameof(SSL_CTX_set_alpn_protos), absent);
            SSL_CTX_set_alpn_select_cb =
                (delegate* unmanaged<nint, delegate* unmanaged<nint, byte**, byte*, byte*, uint, nint, int>, nint, void>)Find(ssl, nameof(SSL_CTX_set_alpn_select_cb), absent);
            SSL_CTX_set_keylog_callback =
                (delegate* unmanaged<nint, delegate* unmanaged<nint, byte*, void>, void>)Find(ssl, nameof(SSL_CTX_set_keylog_callback), absent);
            SSL_new = (delegate* unmanaged<nint, nint>)Find(ssl, nameof(SSL_new), absent);
            SSL_free = (delegate* unmanaged<nint, void>)Find(ssl, nameof(SSL_free), absent);
            SSL_set_bio = (delegate* unmanaged<nint, nint, nint, void>)Find(ssl, nameof(SSL_set_bio), absent);
            SSL_set_connect_state = (delegate* unmanaged<nint, void>)Find(ssl, nameof(SSL_set_connect_state), absent);
            SSL_set_accept_state = (delegate* unmanaged<nint, void>)Find(ssl, nameof(SSL_set_accept_state), absent);
            SSL_use_cert_and_key = (delegate* unmanaged<nint, nint, nint, nint, int, int>)Find(ssl, nameof(SSL_use_cert_and_key), absent);
            SSL_do_handshake = (delegate* unmanaged<nint, int>)Find(ssl, nameof(SSL_do_handshake), absent);
            SSL_get_error = (delegate* unmanaged<nint, int, int>)Find(ssl, nameof(SSL_get_error), absent);
            SSL_get0_alpn_selected = (delegate* unmanaged<nint, byte**, uint*, void>)Find(ssl, nameof(SSL_get0_alpn_selected), absent);
            SSL_get_current_cipher = (delegate* unmanaged<nint, nint>)Find(ssl, nameof(SSL_get_current_cipher), absent);
            SSL_CIPHER_get_protocol_id = (delegate* unmanaged<nint, ushort>)Find(ssl, nameof(SSL_CIPHER_get_protocol_id), absent);
            if (absent.Count > 0)
            {
                Missing = $"{SslName} and {CryptoName} lack {string.Join(", ", absent)}";
            }
            else if ((long)number().Value != theirs)
            {
                Missing = $"the base class library uses another OpenSSL (0x{theirs:x}) than {CryptoName} (0x{number().Value:x})";
            }
            else
            {
                Version = Marshal.PtrToStringUTF8((nint)name(0)) ?? "OpenSSL 3";
                Number = theirs;
            }
        }
        catch (Exception e) when (e is DllNotFoundException or TypeInitializationException or PlatformNotSupportedException or BadImageFormatException or CryptographicException)
        {
            Missing = $"OpenSSL cannot be loaded: {e.Message}";
        }
    }

    /// <summary>Why none of the functions may be called; null when all may.</summary>
    public static string? Missing { get; }

    /// <summary>What the library calls itself.</summary>
    public static string Version { get; }

    /// <summary>Its version as <c>OPENSSL_VERSION_NUMBER</c> has it: 0x30500010 is 3.5.1. Zero where it is missing.</summary>
    public static long Number { get; }

    /// <summary>The oldest error of this thread in OpenSSL's words. The rest is forgotten.</summary>
    public static string TakeError() => TakeError(out _);

    /// <summary>The same with its number, one of <c>SSL_R_*</c> where it is libssl's.</summary>
    public static string TakeError(out int reason)
    {
        var error = ERR_get_error();
        reason = (int)((ulong)error.Value & ReasonMask);
        ERR_clear_error();
        var text = error.Value == 0 ? null : Marshal.PtrToStringUTF8((nint)ERR_reason_error_string(error));
        return text ?? "OpenSSL gave no reason";
    }

    private static void* Find(nint library, string name, List<string> absent)
    {
        if (NativeLibrary.TryGetExport(library, name, out var address))
        {
            return (void*)address;
        }

        absent.Add(name);
        return null;
    }
}
