using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;

namespace Ambient.Node.Tests.Requests.Upstreams;

public sealed class UpstreamTlsFilesTests
{
    [Fact]
    public async Task FileThatIsSlow_DoesNotHoldWhoeverDials()
    {
        var file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using (var made = Process.Start("mkfifo", [file]))
        {
            await made.WaitForExitAsync();
            Assert.Equal(0, made.ExitCode);
        }

        try
        {
            // Opening it waits until somebody writes.
            var files = new UpstreamTlsFiles(TlsFiles.None with { Authorities = file });
            using var leaves = new CancellationTokenSource();
            var dialing = Task.Run(() => (First: files.CurrentAsync(leaves.Token).AsTask(), Second: files.CurrentAsync(CancellationToken.None).AsTask()));
            var (first, second) = await dialing.WaitAsync(TimeSpan.FromSeconds(20));
            Assert.False(second.IsCompleted);

            await leaves.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);

            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
            await File.WriteAllTextAsync(file, certificate.ExportCertificatePem());
            Assert.Single((await second.WaitAsync(TimeSpan.FromSeconds(20))).Authorities!);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
