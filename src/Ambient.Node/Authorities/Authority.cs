using Ambient.Certificates;
using Ambient.Identity;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>The certificate authority that settings name.</summary>
internal sealed class Authority : ICertificateAuthority, ISvidUpdates, IAsyncDisposable
{
    private readonly ICertificateAuthority _authority;

    private Authority(ICertificateAuthority authority) => _authority = authority;

    /// <inheritdoc/>
    public Action<SpiffeId>? Updated
    {
        get => (_authority as ISvidUpdates)?.Updated;
        set
        {
            if (_authority is ISvidUpdates updates)
            {
                updates.Updated = value;
            }
        }
    }

    /// <inheritdoc/>
    public Action<SpiffeId>? Withdrawn
    {
        get => (_authority as ISvidUpdates)?.Withdrawn;
        set
        {
            if (_authority is ISvidUpdates updates)
            {
                updates.Withdrawn = value;
            }
        }
    }

    /// <summary>Opens the authority. Istio's and a Workload API are not asked for anything before the first certificate is needed.</summary>
    /// <exception cref="CertificateAuthorityException">The embedded authority's folder is unusable; the message says why.</exception>
    public static async Task<Authority> OpenAsync(AuthorityOptions options, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Istio is { } istio)
        {
            return new Authority(new IstioAuthority(istio, options.Lifetime, options.Impersonate, loggers.CreateLogger("Authority")));
        }

        if (options.WorkloadApi is { } address)
        {
            return new Authority(new WorkloadApiAuthority(address, loggers.CreateLogger("Authority"), time));
        }

        var embedded = new EmbeddedAuthorityOptions
        {
            Folder = options.Folder ?? throw new CertificateAuthorityException("no certificate authority is named"),
            TrustDomain = options.TrustDomain,
            LeafLifetime = options.Lifetime,
        };
        return new Authority(await EmbeddedAuthority.OpenAsync(embedded, time, new Logger<EmbeddedAuthority>(loggers), cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// Where certificates come without being asked for (a Workload API), takes them from now on, and tells once when it is known which.
    /// Where they are made on demand there is nothing to wait for.
    /// </summary>
    public void OnceHeard(Action heard)
    {
        if (_authority is WorkloadApiAuthority agent)
        {
            agent.OnceHeard(heard);
        }
        else
        {
            heard();
        }
    }

    /// <inheritdoc/>
    public ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default) => _authority.IssueAsync(id, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        (_authority as IDisposable)?.Dispose();
        return (_authority as IAsyncDisposable)?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}
