namespace Ambient.Identity;

/// <summary>Why a peer's certificate is not accepted.</summary>
public enum SvidFailure
{
    /// <summary>It is accepted.</summary>
    None,

    /// <summary>The peer presented no certificate.</summary>
    NoCertificate,

    /// <summary>A part of the certificate cannot be read.</summary>
    Malformed,

    /// <summary>The chain does not end at one of our roots.</summary>
    Untrusted,

    /// <summary>A certificate of the chain has expired.</summary>
    Expired,

    /// <summary>A certificate of the chain is not valid yet.</summary>
    NotYetValid,

    /// <summary>The chain breaks a rule: a bad signature, a name constraint, a length, an issuer that is no authority.</summary>
    BadChain,

    /// <summary>The leaf is itself a certificate authority.</summary>
    LeafIsAuthority,

    /// <summary>The leaf's key usage does not allow signing handshakes.</summary>
    KeyUsage,

    /// <summary>The leaf's extended key usage does not allow the role that the peer plays.</summary>
    ExtendedKeyUsage,

    /// <summary>The leaf has no URI SAN.</summary>
    NoIdentity,

    /// <summary>The leaf has several URI SANs.</summary>
    ManyIdentities,

    /// <summary>The leaf's URI SAN is no SPIFFE ID.</summary>
    NotSpiffe,

    /// <summary>The identity is genuine, and not among those accepted here.</summary>
    NotAccepted,
}
