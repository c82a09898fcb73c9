using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Gateway;

/// <summary>A backend that answers in TLS with what it has seen of the handshake, and on another port in clear, where nobody who was asked for TLS should come.</summary>
internal sealed class TlsBackend : IAsyncDisposable
{
    public const int TlsPort = 8443;
    public const int ClearPort = 8080;

    private readonly WebApplication _app;

    private TlsBackend(WebApplication app) => _app = app;

    /// <summary>The certificate that it shows.</summary>
    public X509Certificate2? Shown { get; set; }

    /// <summary>Starts one.</summary>
    /// <param name="address">Its address.</param>
    /// <param name="certificate">What it shows.</param>
    /// <param name="clients">Authority that clients must have a certificate of; null: none is asked for.</param>
    public static async Task<TlsBackend> StartAsync(IPAddress address, X509Certificate2 certificate, X509Certificate2? clients = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        TlsBackend? backend = null;
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // The tests' client says http within TLS, too.
            kestrel.AllowAlternateSchemes = true;
            kestrel.Listen(address, ClearPort, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(address, TlsPort, listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(https =>
                {
                    https.ServerCertificateSelector = (connection, serverName) =>
                    {
                        connection!.Items["sni"] = serverName;
                        return backend!.Shown;
                    };
                    https.ClientCertificateMode = clients is null ? ClientCertificateMode.NoCertificate : ClientCertificateMode.RequireCertificate;
                    https.ClientCertificateValidation = (client, _, _) => client.Issuer == clients?.Subject;
                });
            });
        });
        var app = builder.Build();
        app.Run(http => http.Response.WriteAsync(
            $"{(http.Request.IsHttps ? "tls" : "clear")} sni={SniOf(http)} client={http.Connection.ClientCertificate?.Subject} {http.Request.Protocol}"));
        backend = new TlsBackend(app) { Shown = certificate };
        await app.StartAsync();
        return backend;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private static object? SniOf(HttpContext http) => http.Features.Get<IConnectionItemsFeature>()!.Items.TryGetValue("sni", out var asked) ? asked : null;
}
