using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>
/// The root of an <see cref="EmbeddedAuthority"/> on disk: <c>root-cert.pem</c> and <c>root-key.pem</c> in a folder of this user's, of mode 0700.
/// A folder that is somebody else's, or open to others, is refused rather than changed: who could write to it may have done so already.
/// Several processes may start at once: one makes the root under a file lock, the others find it. The key is renamed into
/// place before the certificate, so a certificate that is there has its key.
/// </summary>
internal sealed class RootFolder
{
    internal const string CertificateName = "root-cert.pem";
    internal const string KeyName = "root-key.pem";

    private const UnixFileMode OwnerOnlyFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnerOnlyFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = ~OwnerOnlyFolder;

    private readonly string _folder;
    private readonly string _certificatePath;
    private readonly string _keyPath;

    internal RootFolder(string folder)
    {
        _folder = Path.GetFullPath(folder);
        _certificatePath = Path.Combine(_folder, CertificateName);
        _keyPath = Path.Combine(_folder, KeyName);
    }

    internal string CertificatePath => _certificatePath;

    /// <summary>The root in the folder, made by <paramref name="create"/> when there is none yet.</summary>
    internal async Task<X509Certificate2> LoadOrCreateAsync(
        Func<X509Certificate2> create, TimeSpan lockTimeout, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            Secure();
            if (!File.Exists(_certificatePath))
            {
                await using var held = (await LockAsync(lockTimeout, time, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
                if (!File.Exists(_certificatePath))
                {
                    using var made = create();
                    Write(made);
                }
            }

            return Load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CertificateAuthorityException($"embedded authority: folder {_folder}: {e.Message}", e);
        }
    }

    private void Secure()
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(_folder);
            return;
        }

        // Looked at after it was made, too: somebody else may have been quicker.
        Directory.CreateDirectory(_folder, OwnerOnlyFolder);
        if (FolderOwner.IsSupported)
        {
            var (owner, isLink) = FolderOwner.Of(_folder);
            if (isLink)
            {
                throw new CertificateAuthorityException($"embedded authority: folder {_folder} is a symbolic link; name the folder that it leads to");
            }

            if (owner != FolderOwner.Ourselves())
            {
                throw new CertificateAuthorityException(
                    $"embedded authority: folder {_folder} belongs to user {owner}, who could put another root there, and this process is user {FolderOwner.Ourselves()}; "
                    + $"chown it to {FolderOwner.Ourselves()}, or name a folder that does not exist yet, inside one that others cannot change");
            }
        }

        var mode = File.GetUnixFileMode(_folder);
        if ((mode & Others) != 0)
        {
            throw new CertificateAuthorityException(
                $"embedded authority: folder {_folder} is open to others (mode {Convert.ToString((int)mode, 8)}), and whoever reads the key in it can be anyone in the mesh; "
                + $"chmod 700 {_folder}, or name a folder that does not exist yet, which is then made for the owner alone");
        }
    }

    private async Task<FileStream> LockAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        var path = Path.Combine(_folder, ".lock");
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                // The system lets go of the lock when its holder dies, so a crash leaves nothing to clean up.
                return Open(path, FileMode.OpenOrCreate);
            }
            catch (IOException) when (time.GetElapsedTime(started) < timeout)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static FileStream Open(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnlyFile;
        }

        return new FileStream(path, options);
    }

    private void Write(X509Certificate2 root)
    {
        using var key = root.GetECDsaPrivateKey()!;
        Publish(_keyPath, key.ExportPkcs8PrivateKeyPem() + "\n");
        Publish(_certificatePath, root.ExportCertificatePem() + "\n");
    }

    private static void Publish(string path, string text)
    {
        var unfinished = path + ".new";
        using (var file = Open(unfinished, FileMode.Create))
        {
            file.Write(System.Text.Encoding.ASCII.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        File.Move(unfinished, path, overwrite: true);
    }

    private X509Certificate2 Load()
    {
        if (!File.Exists(_keyPath))
        {
            throw new CertificateAuthorityException(
                $"embedded authority: {_keyPath} is missing beside {CertificateName}; put it back, or delete {CertificateName} to make a new root (and restart every host that uses the old one)");
        }

        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(_keyPath) & Others) != 0)
        {
            throw new CertificateAuthorityException(
                $"embedded authority: {_keyPath} can be read by others (mode {Convert.ToString((int)File.GetUnixFileMode(_keyPath), 8)}); chmod it to 600, and make a new root if anybody may have read it");
        }

        using var certificate = LoadCertificate();
        using var key = LoadKey();
        try
        {
            return certificate.CopyWithPrivateKey(key);
        }
        catch (ArgumentException e)
        {
            throw new CertificateAuthorityException(
                $"embedded authority: {_keyPath} is not the key of {_certificatePath}; put back the matching file, or delete both to make a new root", e);
        }
    }

    private X509Certificate2 LoadCertificate()
    {
        try
        {
            return TrustBundle.Load(_certificatePath).Roots[0];
        }
        catch (FormatException e)
        {
            throw new CertificateAuthorityException($"embedded authority: {e.Message}; put the file back, or delete it and {KeyName} to make a new root", e);
        }
    }

    private ECDsa LoadKey()
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(_keyPath));
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new CertificateAuthorityException(
                $"embedded authority: {_keyPath} holds no readable elliptic curve key; put the file back, or delete it and {CertificateName} to make a new root", e);
        }
    }
}
