using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ambient.Hbone.Tls.Native;

/// <summary>
/// What all handshakes of a role have in common (SSL_CTX), made once: TLS 1.3, our two suites, ALPN <c>h2</c>, mutual, no tickets, no
/// resumption, no early data. Whom it presents is told to each connection.
/// </summary>
internal static unsafe class NativeContext
{
    private const int SetMode = 33;
    private const int SetSessionCacheMode = 44;
    private const int SetMaxCertificateBytes = 51;
    private const int SetMinVersion = 123;
    private const int SetMaxVersion = 124;
    private const int Tls13 = 0x0304;

    // SSL_MODE_NO_AUTO_CHAIN: what is presented is what the SVID says. SSL_MODE_RELEASE_BUFFERS.
    private const int Modes = 0x8 | 0x10;

    // SSL_OP_NO_TICKET, SSL_OP_NO_RENEGOTIATION.
    private const ulong Options = (1ul << 14) | (1ul << 30);

    // SSL_VERIFY_PEER, SSL_VERIFY_FAIL_IF_NO_PEER_CERT.
    private const int DemandCertificate = 0x1 | 0x2;

    // More than any limit of ours on the bytes of a whole handshake, which is what counts.
    private const int MaxCertificateBytes = 128 * 1024;
    private const int AlertFatal = 2;

    private static readonly Lazy<nint> s_client = new(static () => Create(isServer: false));
    private static readonly Lazy<nint> s_server = new(static () => Create(isServer: true));

    /// <summary>The context of a role.</summary>
    /// <exception cref="CryptographicException">This OpenSSL cannot do what we need.</exception>
    public static nint Of(bool isServer) => (isServer ? s_server : s_client).Value;

    private static nint Create(bool isServer)
    {
        OpenSsl.ERR_clear_error();
        if (CipherSuite.Aes128.Cipher == 0 || CipherSuite.Aes256.Cipher == 0)
        {
            throw new CryptographicException($"OpenSSL has no AES-GCM: {OpenSsl.TakeError()}");
        }

        var context = OpenSsl.SSL_CTX_new(OpenSsl.TLS_method());
        Must(context != 0);
        Must(OpenSsl.SSL_CTX_ctrl(context, SetMinVersion, new CLong(Tls13), null).Value == 1);
        Must(OpenSsl.SSL_CTX_ctrl(context, SetMaxVersion, new CLong(Tls13), null).Value == 1);
        OpenSsl.SSL_CTX_ctrl(context, SetMode, new CLong(Modes), null);
        OpenSsl.SSL_CTX_ctrl(context, SetSessionCacheMode, new CLong(0), null);
        OpenSsl.SSL_CTX_ctrl(context, SetMaxCertificateBytes, new CLong(MaxCertificateBytes), null);
        OpenSsl.SSL_CTX_set_options(context, Options);
        Must(OpenSsl.SSL_CTX_set_num_tickets(context, 0) == 1);
        fixed (byte* suites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256\0"u8)
        {
            Must(OpenSsl.SSL_CTX_set_ciphersuites(context, suites) == 1);
        }

        OpenSsl.SSL_CTX_set_verify(context, DemandCertificate, 0);
        OpenSsl.SSL_CTX_set_cert_verify_callback(context, &Verify, 0);
        OpenSsl.SSL_CTX_set_keylog_callback(context, &TakeSecret);
        if (isServer)
        {
            OpenSsl.SSL_CTX_set_alpn_select_cb(context, &SelectProtocol, 0);
            return context;
        }

        fixed (byte* protocols = "\u0002h2"u8)
        {
            Must(OpenSsl.SSL_CTX_set_alpn_protos(context, protocols, 3) == 0);
        }

        return context;
    }

    private static void Must(bool done)
    {
        if (!done)
        {
            throw new CryptographicException($"OpenSSL cannot be set up for TLS 1.3: {OpenSsl.TakeError()}");
        }
    }

    /// <summary>In place of OpenSSL's own verification of the peer's chain, which would verify every signature in it.</summary>
    [UnmanagedCallersOnly]
    private static int Verify(nint store, nint argument) => NativeHandshake.Current?.Verify(store) == true ? 1 : 0;

    [UnmanagedCallersOnly]
    private static void TakeSecret(nint ssl, byte* line) =>
        NativeHandshake.Current?.TakeSecret(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(line));

    /// <summary>A client that offers protocols and not ours is refused (RFC 7301, 3.2); one that offers none is served.</summary>
    [UnmanagedCallersOnly]
    private static int SelectProtocol(nint ssl, byte** selected, byte* selectedLength, byte* offered, uint offeredLength, nint argument)
    {
        for (var i = 0u; i < offeredLength && i + 1 + offered[i] <= offeredLength; i += 1u + offered[i])
        {
            if (offered[i] == 2 && offered[i + 1] == (byte)'h' && offered[i + 2] == (byte)'2')
            {
                *selected = offered + i + 1;
                *selectedLength = 2;
                return 0;
            }
        }

        return AlertFatal;
    }
}
