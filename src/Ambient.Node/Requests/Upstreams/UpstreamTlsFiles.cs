using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>Certificates in files at the proxy, read again when a file has changed.</summary>
internal sealed class UpstreamTlsFiles(TlsFiles files)
{
    // A file that is named by mistake must not be taken into memory.
    private const long MostBytes = 1024 * 1024;

    private readonly Lock _gate = new();

    // Of the read that is under way; the next one begins when it has ended.
    private (DateTime, DateTime, DateTime) _times;
    private Contents? _contents;
    private Task<Contents>? _reading;

    /// <summary>What the files have now. They are looked at on another thread: who dials carries others' bytes meanwhile.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IOException">A file is not there, or has not what it should. Nothing of its content is in the message.</exception>
    /// <exception cref="OperationCanceledException">The wait was ended.</exception>
    public async ValueTask<Contents> CurrentAsync(CancellationToken cancellationToken)
    {
        Task<Contents> reading;
        lock (_gate)
        {
            // Many that dial at once share one look.
            reading = _reading is { IsCompleted: false } underway ? underway : _reading = Task.Run(Current, CancellationToken.None);
        }

        return await reading.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private Contents Current()
    {
        // A file that is not there has the time 1601-01-01; a renewal writes another time.
        var times = (TimeOf(files.Authorities), TimeOf(files.Certificates), TimeOf(files.PrivateKey));
        if (_contents is null || _times != times)
        {
            _contents = null;
            _contents = new Contents(AuthoritiesOf(files.Authorities), CertificateOf(files.Certificates, files.PrivateKey));
            _times = times;
        }

        return _contents;
    }

    private static DateTime TimeOf(string? file) => file is null ? default : File.GetLastWriteTimeUtc(file);

    private static X509Certificate2Collection? AuthoritiesOf(string? file)
    {
        if (file is null)
        {
            return null;
        }

        try
        {
            var found = new X509Certificate2Collection();
            found.ImportFromPem(Read(file));
            return found.Count > 0 ? found : throw new IOException($"{file} has no certificate");
        }
        catch (CryptographicException)
        {
            throw new IOException($"{file} has what is no certificate");
        }
    }

    private static SslStreamCertificateContext? CertificateOf(string? file, string? key)
    {
        if (file is null || key is null)
        {
            return null;
        }

        try
        {
            return UpstreamTls.ContextOf(Read(file), Read(key));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // The exception may quote what it did not understand.
            throw new IOException($"{file} and {key} are no certificate and its private key");
        }
    }

    /// <summary>The text of a file.</summary>
    /// <exception cref="IOException">It is not there, cannot be read, or is too large to be what it should.</exception>
    internal static string Read(string file)
    {
        try
        {
            return new FileInfo(file) is { Exists: true, Length: <= MostBytes }
                ? File.ReadAllText(file)
                : throw new IOException(File.Exists(file) ? $"{file} has more than {MostBytes} bytes" : $"{file} is not there");
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"{file} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>What files have.</summary>
    /// <param name="Authorities">Authorities; null: no file names any.</param>
    /// <param name="Certificate">The certificate that is shown; null: none.</param>
    internal sealed record Contents(X509Certificate2Collection? Authorities, SslStreamCertificateContext? Certificate);
}
