using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;

namespace Ambient.Hbone.Tls.Native;

/// <summary>
/// What an SVID is to OpenSSL: leaf, intermediates, and the private key by its own handle, which never leaves OpenSSL. One for each SVID,
/// for as long as the SVID lives.
/// </summary>
internal sealed unsafe class NativeIdentity : SafeHandle
{
    private static readonly ConditionalWeakTable<X509Svid, NativeIdentity> s_known = [];
    private readonly List<nint> _certificates = [];
    private readonly SafeEvpPKeyHandle _key;

    private NativeIdentity(X509Svid svid)
        : base(0, ownsHandle: true)
    {
        _key = KeyOf(svid.Leaf);
        SetHandle(OpenSsl.OPENSSL_sk_new_null());
        _certificates.Add(Load(svid.Leaf));
        foreach (var intermediate in svid.Intermediates)
        {
            _certificates.Add(Load(intermediate));
            Must(OpenSsl.OPENSSL_sk_push(handle, _certificates[^1]) > 0);
        }
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The one of an SVID.</summary>
    /// <exception cref="CryptographicException">OpenSSL does not take a certificate, or the key is not one of OpenSSL's.</exception>
    public static NativeIdentity Of(X509Svid svid) => s_known.GetValue(svid, static each => new NativeIdentity(each));

    /// <summary>Makes a connection present it. The connection keeps references of its own.</summary>
    public void GiveTo(nint ssl)
    {
        var ours = false;
        var keys = false;
        try
        {
            DangerousAddRef(ref ours);
            _key.DangerousAddRef(ref keys);
            OpenSsl.ERR_clear_error();
            Must(OpenSsl.SSL_use_cert_and_key(ssl, _certificates[0], _key.DangerousGetHandle(), handle, 1) == 1);
        }
        finally
        {
            if (keys)
            {
                _key.DangerousRelease();
            }

            if (ours)
            {
                DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        OpenSsl.OPENSSL_sk_free(handle);
        foreach (var certificate in _certificates)
        {
            OpenSsl.X509_free(certificate);
        }

        return true;
    }

    private static SafeEvpPKeyHandle KeyOf(X509Certificate2 leaf)
    {
        using AsymmetricAlgorithm? key = (AsymmetricAlgorithm?)leaf.GetECDsaPrivateKey() ?? leaf.GetRSAPrivateKey();
        return key switch
        {
            ECDsaOpenSsl elliptic => elliptic.DuplicateKeyHandle(),
            RSAOpenSsl rsa => rsa.DuplicateKeyHandle(),
            _ => throw new CryptographicException("the SVID's private key is neither of an elliptic curve nor RSA, or not one of OpenSSL's"),
        };
    }

    private static nint Load(X509Certificate2 certificate)
    {
        var der = certificate.RawDataMemory.Span;
        fixed (byte* start = der)
        {
            var position = start;
            var loaded = OpenSsl.d2i_X509(null, &position, new CLong(der.Length));
            Must(loaded != 0);
            return loaded;
        }
    }

    private static void Must(bool done)
    {
        if (!done)
        {
            throw new CryptographicException($"OpenSSL does not take the SVID: {OpenSsl.TakeError()}");
        }
    }
}
