using Ambient.Certificates;
using Ambient.Identity;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>The certificate authority that the settings select.</summary>
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

    /// <summary>Opens the authority. Neither Istio's service nor a Workload API is contacted until the first certificate is needed.</summary>
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
            Folder = options.Folder ?? throw new CertificateAuthorityException("no certificate authority is configured"),
            TrustDomain = options.TrustDomain,
            LeafLifetime = options.Lifetime,
        };
        return new Authority(await EmbeddedAuthority.OpenAsync(embedded, time, new Logger<EmbeddedAuthority>(loggers), cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// With a Workload API, which pushes certificates, starts receiving them and calls <paramref name="heard"/> once, when the agent has
    /// first said which it gives. With an authority that issues on demand there is nothing to wait for, and it is called at once.
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
