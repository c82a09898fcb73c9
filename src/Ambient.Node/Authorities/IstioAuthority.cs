using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.ControlPlane;
using Ambient.Node.Protos.Ca;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>
/// Istio's certificate service (istio.v1.auth.IstioCertificateService): a new key and a signing request for each certificate. istiod decides
/// whether to sign for an identity other than the caller's: it must trust the node proxy's account, and the workload must run on that node.
/// </summary>
internal sealed partial class IstioAuthority : ICertificateAuthority, IDisposable
{
    private readonly ControlPlaneOptions _options;
    private readonly TimeSpan _lifetime;
    private readonly bool _impersonate;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private ControlPlaneChannel? _channel;
    private byte[] _roots = [];

    /// <summary>Creates the client. It does not connect until the first certificate is needed.</summary>
    public IstioAuthority(ControlPlaneOptions options, TimeSpan lifetime, bool impersonate, ILogger logger)
    {
        _options = options;
        _lifetime = lifetime;
        _impersonate = impersonate;
        _logger = logger;
    }

    /// <inheritdoc/>
    public async ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(id);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new IstioCertificateRequest { Csr = SvidSigningRequest.ToPem(id, key), ValidityDuration = (long)_lifetime.TotalSeconds };
        if (_impersonate)
        {
            request.Metadata = new Struct { Fields = { ["ImpersonatedIdentity"] = Value.ForString(id.ToString()) } };
        }

        var answer = await CallAsync(request, cancellationToken).ConfigureAwait(false);
        return ReadChain(id, answer.CertChain, key);
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose() => _channel?.Dispose();

    /// <summary>Reads the leaf, the intermediates and, last in the chain, the roots, of which there may be several during a rotation.</summary>
    internal X509Svid ReadChain(SpiffeId id, IReadOnlyList<string> chain, ECDsa key)
    {
        if (chain.Count == 0)
        {
            throw new CertificateAuthorityException($"{id}: chain returned from CA is empty");
        }

        if (chain.Count == 1)
        {
            throw new CertificateAuthorityException($"{id}: no root certificate present: the CA answered with nothing but a certificate");
        }

        try
        {
            var svid = X509Svid.FromPem(string.Concat(chain.Take(chain.Count - 1)), key.ExportPkcs8PrivateKeyPem(), Roots(id, chain[^1]));
            return svid.Id.Equals(id) ? svid : throw new CertificateAuthorityException($"{id}: did not find expected SAN: the CA's certificate is for {svid.Id}");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or FormatException)
        {
            throw new CertificateAuthorityException($"{id}: the CA's answer cannot be used: {e.Message}", e);
        }
    }

    private TrustBundle Roots(SpiffeId id, string pem)
    {
        var roots = ImmutableArray.CreateBuilder<X509Certificate2>();
        var rest = pem.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            try
            {
                roots.Add(X509Certificate2.CreateFromPem(rest[fields.Location]));
            }
            catch (CryptographicException e)
            {
                LogRootSkipped(_logger, id, e.Message);
            }

            rest = rest[fields.Location.End..];
        }

        return roots.Count > 0
            ? new TrustBundle(roots.DrainToImmutable())
            : throw new CertificateAuthorityException($"{id}: no root certificate present: nothing in the CA's answer can be read as one");
    }

    private async Task<IstioCertificateResponse> CallAsync(IstioCertificateRequest request, CancellationToken cancellationToken)
    {
        ControlPlaneChannel? channel = null;
        try
        {
            channel = Channel();
            var headers = await channel.HeadersAsync(cancellationToken).ConfigureAwait(false);
            var client = new IstioCertificateService.IstioCertificateServiceClient(channel.Invoker);
            return await client.CreateCertificateAsync(request, headers, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellationToken);
        }
        catch (RpcException e) when (ControlPlaneChannel.IsTransportFailure(e))
        {
            throw new CertificateAuthorityException(channel!.Explain(e), e);
        }
        catch (RpcException e)
        {
            throw new CertificateAuthorityException($"signing gRPC error ({e.StatusCode}): {e.Status.Detail}{channel!.HintFor(e)}", e);
        }
        catch (ControlPlaneException e)
        {
            throw new CertificateAuthorityException(e.Message, e);
        }
    }

    /// <summary>The channel; a new one when the roots file has changed. If the new roots cannot be read, the old channel stays in use.</summary>
    private ControlPlaneChannel Channel()
    {
        lock (_lock)
        {
            var roots = ReadRoots();
            if (_channel is { } open && (roots is null || roots.AsSpan().SequenceEqual(_roots)))
            {
                return open;
            }

            try
            {
                // Calls in flight keep the old one; its connection closes once it is idle.
                _channel = ControlPlaneChannel.Open(_options);
                _roots = roots ?? [];
            }
            catch (ControlPlaneException e) when (_channel is not null)
            {
                LogOldRoots(_logger, e.Message);
            }

            return _channel!;
        }
    }

    private byte[]? ReadRoots()
    {
        try
        {
            return File.Exists(_options.Roots) ? File.ReadAllBytes(_options.Roots) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LoggerMessage(2500, LogLevel.Warning, "certificate for {Identity}: one of the CA's roots cannot be read and is left out: {Reason}")]
    private static partial void LogRootSkipped(ILogger logger, SpiffeId identity, string reason);

    [LoggerMessage(2501, LogLevel.Warning, "{Reason}; the previous roots stay in use until the file is fixed")]
    private static partial void LogOldRoots(ILogger logger, string reason);
}
