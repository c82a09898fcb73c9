using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;

namespace Ambient.Hbone.Tls.Native;

/// <summary>
/// One TLS 1.3 handshake by OpenSSL, in memory: records go in, records come out, nothing waits. What is left when it is done are the traffic
/// secrets; everything of OpenSSL's is given back then. One user at a time; not safe for concurrent use.
/// </summary>
internal sealed unsafe class NativeHandshake : SafeHandle
{
    private const int WantRead = 2;
    private const int SetMemoryEof = 130;

    // SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE.
    private const int NoPeerCertificate = 199;
    private const int RandomHex = 64;

    // Both labels and the blank behind.
    private const int LabelSize = 24;

    [ThreadStatic]
    private static NativeHandshake? s_current;

    private readonly bool _isServer;
    private readonly INativePeerCheck _check;
    private nint _input;
    private nint _output;
    private byte* _secrets;
    private int _clientSecret;
    private int _serverSecret;
    private Exception? _fault;

    /// <summary>Begins one; nothing is computed yet.</summary>
    /// <param name="svid">What we present.</param>
    /// <param name="isServer">Our role.</param>
    /// <param name="check">Who judges the peer's certificates.</param>
    /// <exception cref="CryptographicException">OpenSSL does not take the SVID.</exception>
    public NativeHandshake(X509Svid svid, bool isServer, INativePeerCheck check)
        : base(0, ownsHandle: true)
    {
        _isServer = isServer;
        _check = check;
        var identity = NativeIdentity.Of(svid);
        SetHandle(OpenSsl.SSL_new(NativeContext.Of(isServer)));
        Must(handle != 0);
        _secrets = (byte*)NativeMemory.AllocZeroed(2 * SHA384.HashSizeInBytes);
        identity.GiveTo(handle);
        _input = OpenSsl.BIO_new(OpenSsl.BIO_s_mem());
        _output = OpenSsl.BIO_new(OpenSsl.BIO_s_mem());
        Must(_input != 0 && _output != 0);

        // An empty one is not at its end: more may come.
        OpenSsl.BIO_ctrl(_input, SetMemoryEof, new CLong(-1), null);
        OpenSsl.SSL_set_bio(handle, _input, _output);
        if (isServer)
        {
            OpenSsl.SSL_set_accept_state(handle);
        }
        else
        {
            OpenSsl.SSL_set_connect_state(handle);
        }
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The one that runs on this thread: OpenSSL calls back within <see cref="Advance"/> and never else.</summary>
    internal static NativeHandshake? Current => s_current;

    /// <summary>Takes what the peer has sent.</summary>
    /// <param name="records">Bytes of TLS records; empty at the end of the peer's bytes.</param>
    public void Feed(ReadOnlySpan<byte> records)
    {
        if (records.IsEmpty)
        {
            OpenSsl.BIO_ctrl(_input, SetMemoryEof, new CLong(0), null);
            return;
        }

        fixed (byte* start = records)
        {
            Must(OpenSsl.BIO_write(_input, start, records.Length) == records.Length);
        }
    }

    /// <summary>Goes on as far as it can.</summary>
    /// <returns>Whether it is done; otherwise it needs more of the peer.</returns>
    /// <exception cref="AuthenticationException">It failed. There may be an alert to send.</exception>
    public bool Advance()
    {
        s_current = this;
        try
        {
            OpenSsl.ERR_clear_error();
            var result = OpenSsl.SSL_do_handshake(handle);
            if (_fault is { } fault)
            {
                throw new AuthenticationException(fault.Message, fault);
            }

            if (result == 1)
            {
                CheckProtocol();
                return true;
            }

            if (OpenSsl.SSL_get_error(handle, result) == WantRead)
            {
                return false;
            }

            var words = OpenSsl.TakeError(out var reason);
            if (reason == NoPeerCertificate)
            {
                // OpenSSL refuses this by itself; the words are ours.
                _check.Verify(null, []);
            }

            throw new AuthenticationException(words);
        }
        finally
        {
            s_current = null;
        }
    }

    /// <summary>Takes what is to be sent: bytes, 0 when there is nothing more.</summary>
    public int Take(Span<byte> space)
    {
        fixed (byte* start = space)
        {
            return Math.Max(0, OpenSsl.BIO_read(_output, start, space.Length));
        }
    }

    /// <summary>The ciphers of both directions. Only when it is done.</summary>
    /// <exception cref="AuthenticationException">The suite is not one of ours, or OpenSSL has not told the secrets.</exception>
    public (RecordCipher Read, RecordCipher Write) CreateCiphers()
    {
        var suite = CipherSuite.Of(OpenSsl.SSL_CIPHER_get_protocol_id(OpenSsl.SSL_get_current_cipher(handle)));
        if (suite is null || _clientSecret != suite.HashSize || _serverSecret != suite.HashSize)
        {
            throw new AuthenticationException("OpenSSL has agreed on another suite, or has not told its secrets");
        }

        var client = new ReadOnlySpan<byte>(_secrets, suite.HashSize);
        var server = new ReadOnlySpan<byte>(_secrets + SHA384.HashSizeInBytes, suite.HashSize);
        var read = new RecordCipher(suite, _isServer ? client : server, encrypts: false);
        try
        {
            return (read, new RecordCipher(suite, _isServer ? server : client, encrypts: true));
        }
        catch
        {
            read.Dispose();
            throw;
        }
    }

    /// <summary>OpenSSL has the peer's certificates and asks whether they are good. Nothing may be thrown from here.</summary>
    internal bool Verify(nint store)
    {
        try
        {
            var leaf = OpenSsl.X509_STORE_CTX_get0_cert(store);
            var stack = OpenSsl.X509_STORE_CTX_get0_untrusted(store);
            var count = stack == 0 ? 0 : Math.Max(0, OpenSsl.OPENSSL_sk_num(stack));
            var error = _check.LimitFault(count - 1);
            if (error == 0)
            {
                error = Verify(leaf, stack, count);
            }

            if (error == 0)
            {
                // What the base class library's use of OpenSSL left behind would be taken for an error of the handshake.
                OpenSsl.ERR_clear_error();
                return true;
            }

            OpenSsl.X509_STORE_CTX_set_error(store, error);
        }
        catch (Exception e)
        {
            _fault = e;
            OpenSsl.X509_STORE_CTX_set_error(store, NativeVerifyError.Rejected);
        }

        OpenSsl.ERR_clear_error();
        return false;
    }

    /// <summary>
    /// OpenSSL tells a secret, as a line that it wipes afterwards: a label, the client's random, the secret in hexadecimal. It has no other way
    /// to ask for them. The two that protect application data go into our own memory; no managed copy is made.
    /// </summary>
    internal void TakeSecret(ReadOnlySpan<byte> line)
    {
        var client = line.StartsWith("CLIENT_TRAFFIC_SECRET_0 "u8);
        if ((!client && !line.StartsWith("SERVER_TRAFFIC_SECRET_0 "u8)) || line.Length < LabelSize + RandomHex + 1)
        {
            return;
        }

        var hex = line[(LabelSize + RandomHex + 1)..];
        if (client)
        {
            _clientSecret = Decode(hex, new Span<byte>(_secrets, SHA384.HashSizeInBytes));
        }
        else
        {
            _serverSecret = Decode(hex, new Span<byte>(_secrets + SHA384.HashSizeInBytes, SHA384.HashSizeInBytes));
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        // Its BIOs go with it.
        OpenSsl.SSL_free(handle);
        if (_secrets is not null)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(_secrets, 2 * SHA384.HashSizeInBytes));
            NativeMemory.Free(_secrets);
            _secrets = null;
        }

        return true;
    }

    private int Verify(nint leaf, nint stack, int count)
    {
        var presented = new X509Certificate2Collection();
        try
        {
            for (var i = 0; i < count; i++)
            {
                if (OpenSsl.OPENSSL_sk_value(stack, i) is var each && each != leaf)
                {
                    presented.Add(Copy(each));
                }
            }

            using var own = leaf == 0 ? null : Copy(leaf);
            return _check.Verify(own, presented);
        }
        finally
        {
            // Not left to finalizers: each has memory of OpenSSL's.
            foreach (var certificate in presented)
            {
                certificate.Dispose();
            }
        }
    }

    private static void Must(bool done)
    {
        if (!done)
        {
            throw new CryptographicException($"OpenSSL cannot begin a handshake: {OpenSsl.TakeError()}");
        }
    }

    private static int Decode(ReadOnlySpan<byte> hex, Span<byte> secret)
    {
        var size = 0;
        for (; size < secret.Length && (2 * size) + 1 < hex.Length; size++)
        {
            var (high, low) = (Digit(hex[2 * size]), Digit(hex[(2 * size) + 1]));
            if (high < 0 || low < 0)
            {
                break;
            }

            secret[size] = (byte)((high << 4) | low);
        }

        return size;
    }

    private static int Digit(byte c) => c switch
    {
        >= (byte)'0' and <= (byte)'9' => c - '0',
        >= (byte)'a' and <= (byte)'f' => c - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => c - 'A' + 10,
        _ => -1,
    };

    private static X509Certificate2 Copy(nint certificate)
    {
        var size = OpenSsl.i2d_X509(certificate, null);
        if (size <= 0)
        {
            throw new CryptographicException("the peer's certificate cannot be read");
        }

        var der = new byte[size];
        fixed (byte* start = der)
        {
            var position = start;
            OpenSsl.i2d_X509(certificate, &position);
        }

        return X509CertificateLoader.LoadCertificate(der);
    }

    /// <summary>A peer without ALPN is spoken to; whatever was agreed on is ours.</summary>
    private void CheckProtocol()
    {
        byte* name;
        uint length;
        OpenSsl.SSL_get0_alpn_selected(handle, &name, &length);
        if (length != 0 && !new ReadOnlySpan<byte>(name, (int)length).SequenceEqual("h2"u8))
        {
            throw new AuthenticationException("the peer chose a protocol that was not offered");
        }
    }
}
