using Ambient.Identity;

namespace Ambient.Testing.Certificates;

/// <summary>An SVID as files, for programs that are not ours (node, curl, nginx, HAProxy). The folder is deleted on disposal.</summary>
public sealed class PemFiles : IDisposable
{
    /// <summary>Writes the files into a new folder.</summary>
    public PemFiles(X509Svid svid)
    {
        ArgumentNullException.ThrowIfNull(svid);
        Folder = Directory.CreateTempSubdirectory("ambient-pem-").FullName;
        File.WriteAllText(ChainPath, svid.ChainToPem());
        File.WriteAllText(KeyPath, svid.ExportPrivateKeyPem());
        File.WriteAllText(ChainAndKeyPath, svid.ChainToPem() + svid.ExportPrivateKeyPem());
        svid.Roots.Save(RootsPath);
    }

    /// <summary>The folder; its mode is 0700.</summary>
    public string Folder { get; }

    /// <summary>Leaf and intermediates.</summary>
    public string ChainPath => Path.Combine(Folder, "cert-chain.pem");

    /// <summary>Private key, PKCS#8.</summary>
    public string KeyPath => Path.Combine(Folder, "key.pem");

    /// <summary>Leaf, intermediates and key in one file, as HAProxy wants it.</summary>
    public string ChainAndKeyPath => Path.Combine(Folder, "cert-chain-and-key.pem");

    /// <summary>The roots.</summary>
    public string RootsPath => Path.Combine(Folder, "root-cert.pem");

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
