namespace Ambient.Hbone.Tls.Native;

/// <summary>Values of <c>X509_V_ERR_*</c> that OpenSSL turns into the alert which fits.</summary>
internal static class NativeVerifyError
{
    /// <summary>bad_certificate.</summary>
    public const int NotYetValid = 9;

    /// <summary>certificate_expired.</summary>
    public const int Expired = 10;

    /// <summary>unknown_ca.</summary>
    public const int Untrusted = 20;

    /// <summary>certificate_revoked.</summary>
    public const int Revoked = 23;

    /// <summary>bad_certificate.</summary>
    public const int Rejected = 28;
}
