using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Identity;
using Ambient.Node.Protos.Ca;
using Ambient.Testing.Certificates;

namespace Ambient.Testing.ControlPlane;

/// <summary>An authority that signs whatever it is asked to by Istio's certificate protocol, for the identity in the signing request.</summary>
/// <param name="root">The root.</param>
/// <param name="backdated">How long before now certificates begin; null: a minute.</param>
internal sealed class CertificateSigner(TestAuthority root, TimeSpan? backdated = null)
{
    private readonly TestAuthority _intermediate = root.Intermediate();

    /// <summary>Whom certificates were made for, in order.</summary>
    public ConcurrentQueue<SpiffeId> Signed { get; } = new();

    /// <summary>Signs.</summary>
    public IstioCertificateResponse Answer(IstioCertificateRequest request)
    {
        var csr = CertificateRequest.LoadSigningRequestPem(request.Csr, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions);

        // A sequence of one URI, short enough for lengths of one byte.
        var name = csr.CertificateExtensions[0].RawData.AsSpan(4);
        var id = SpiffeId.Parse(Encoding.ASCII.GetString(name));
        Signed.Enqueue(id);
        var (leaf, intermediate) = _intermediate.Sign(id, csr.PublicKey, backdated);
        return new IstioCertificateResponse { CertChain = { leaf.ExportCertificatePem() + "\n", intermediate.ExportCertificatePem() + "\n", root.Roots.ToPem() } };
    }
}
