using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ambient.Testing.ControlPlane;

/// <summary>
/// An istiod of a test: a real gRPC server over TLS, with xDS and the certificate service, both scripted by the test. Its root is in a
/// file, as a pod finds it.
/// </summary>
internal sealed class ControlPlaneServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly string _folder;

    private ControlPlaneServer(WebApplication app, string folder, int port, DiscoveryScript discovery, CertificateScript certificates)
    {
        _app = app;
        _folder = folder;
        Port = port;
        Discovery = discovery;
        Certificates = certificates;
    }

    /// <summary>Where it listens.</summary>
    public int Port { get; }

    /// <summary>Address by name.</summary>
    public Uri Address => new($"https://localhost:{Port}");

    /// <summary>File of the root that its certificate leads to.</summary>
    public string RootFile => Path.Combine(_folder, "root-cert.pem");

    /// <summary>A folder for further files of the test.</summary>
    public string Folder => _folder;

    /// <summary>What xDS says and was told.</summary>
    public DiscoveryScript Discovery { get; }

    /// <summary>What the certificate service says and was told.</summary>
    public CertificateScript Certificates { get; }

    /// <summary>Starts a server.</summary>
    /// <param name="names">DNS names of its certificate.</param>
    /// <param name="port">Port; 0: any.</param>
    /// <param name="discovery">Script of a server before it; null: a new one.</param>
    /// <param name="folder">Folder of a server before it, whose root is used again; null: a new one.</param>
    /// <param name="address">Address to listen on.</param>
    public static async Task<ControlPlaneServer> StartAsync(
        string[]? names = null, int port = 0, DiscoveryScript? discovery = null, string? folder = null, IPAddress? address = null)
    {
        folder ??= Directory.CreateTempSubdirectory("ambient-istiod-").FullName;
        discovery ??= new DiscoveryScript();
        var certificates = new CertificateScript();
        var certificate = ServerCertificate(folder, names ?? ["localhost"]);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(address ?? IPAddress.Loopback, port, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.UseHttps(https =>
            {
                https.ServerCertificate = certificate;
                https.SslProtocols = SslProtocols.Tls13;
            });
        }));
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = null);
        builder.Services.AddSingleton(discovery);
        builder.Services.AddSingleton(certificates);
        var app = builder.Build();
        app.MapGrpcService<DiscoveryService>();
        app.MapGrpcService<CertificateService>();
        await app.StartAsync();
        var bound = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new ControlPlaneServer(app, folder, new Uri(bound).Port, discovery, certificates);
    }

    /// <summary>Ends every stream and stops, at once.</summary>
    public async Task StopAsync()
    {
        Discovery.EndStreams();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }

    /// <summary>The root is made once for a folder; each server has a leaf of its own, which has names and, as istiod's, no subject.</summary>
    internal static X509Certificate2 ServerCertificate(string folder, string[] names)
    {
        var (rootFile, keyFile) = (Path.Combine(folder, "root-cert.pem"), Path.Combine(folder, "root-key.pem"));
        if (!File.Exists(keyFile))
        {
            using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var rootRequest = new CertificateRequest("CN=istiod test root", rootKey, HashAlgorithmName.SHA256);
            rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using var made = rootRequest.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
            File.WriteAllText(rootFile, made.ExportCertificatePem() + "\n");
            File.WriteAllText(keyFile, rootKey.ExportPkcs8PrivateKeyPem() + "\n");
        }

        using var root = X509Certificate2.CreateFromPemFile(rootFile, keyFile);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName(""), key, HashAlgorithmName.SHA256);
        var san = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            san.AddDnsName(name);
        }

        request.CertificateExtensions.Add(san.Build(critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using var leaf = request.Create(root, DateTimeOffset.UtcNow.AddMinutes(-30), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        using var whole = leaf.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }
}
