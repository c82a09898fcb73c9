using System.Net.Security;
using System.Security.Authentication;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tls;

/// <summary>TLS by the base class library. It verifies the whole chain that a peer presents before it asks us about it.</summary>
/// <param name="why">Why it is this one, for the log.</param>
internal sealed class SslStreamEngine(string? why) : TlsEngine
{
    private static readonly List<SslApplicationProtocol> s_protocols = [SslApplicationProtocol.Http2];
    private static readonly CipherSuitesPolicy? s_suites = CreateSuites();

    public override string Description { get; } =
        (OpenSsl.Missing is null ? $"SslStream over {OpenSsl.Version}" : "SslStream") + (why is null ? "" : $" ({why})");

    public override async Task<TlsTransport> AuthenticateAsync(Side side)
    {
        var records = side.CreateRecords();
        var stream = new RecordStream(records);
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await (side.IsServer
                ? tls.AuthenticateAsServerAsync(ServerOptions(side), CancellationToken.None)
                : tls.AuthenticateAsClientAsync(ClientOptions(side), CancellationToken.None)).ConfigureAwait(false);
            await records.FlushGatheredAsync().ConfigureAwait(false);
            return new SslStreamTransport(side.Channel, records, stream, tls) { PeerPath = side.Check.Path };
        }
        catch
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static SslClientAuthenticationOptions ClientOptions(Side side) => new()
    {
        TargetHost = string.Empty,
        EnabledSslProtocols = SslProtocols.Tls13,
        CipherSuitesPolicy = s_suites,
        ApplicationProtocols = s_protocols,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        ClientCertificateContext = side.Svid.TlsContext,
        CertificateChainPolicy = side.Check.CreateChainPolicy(),
        RemoteCertificateValidationCallback = side.Check.Callback,
    };

    private static SslServerAuthenticationOptions ServerOptions(Side side) => new()
    {
        EnabledSslProtocols = SslProtocols.Tls13,
        CipherSuitesPolicy = s_suites,
        ApplicationProtocols = s_protocols,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        ServerCertificateContext = side.Svid.TlsContext,
        ClientCertificateRequired = true,
        CertificateChainPolicy = side.Check.CreateChainPolicy(),
        RemoteCertificateValidationCallback = side.Check.Callback,
    };

    private static CipherSuitesPolicy? CreateSuites()
    {
        if (OperatingSystem.IsWindows() || OperatingSystem.IsAndroid())
        {
            return null;
        }

        return new CipherSuitesPolicy([TlsCipherSuite.TLS_AES_256_GCM_SHA384, TlsCipherSuite.TLS_AES_128_GCM_SHA256]);
    }
}
