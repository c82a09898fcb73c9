using System.Globalization;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Hosting;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>The certificate authority that a host's settings name.</summary>
internal sealed class Authority : ICertificateAuthority, IAsyncDisposable
{
    private readonly EmbeddedAuthority _authority;

    private Authority(EmbeddedAuthority authority) => _authority = authority;

    /// <summary>Opens the authority of <c>AMBIENT_CA_DIR</c>, or that of <c>FAKE_CA</c>.</summary>
    /// <exception cref="CertificateAuthorityException">The folder is unusable; the message says why.</exception>
    public static async Task<Authority> OpenAsync(HostOptions options, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var embedded = new EmbeddedAuthorityOptions
        {
            Folder = options.AuthorityFolder ?? FakeFolder(options.TrustDomain),
            TrustDomain = options.TrustDomain,
            LeafLifetime = options.SecretTtl,
        };
        return new Authority(await EmbeddedAuthority.OpenAsync(embedded, time, new Logger<EmbeddedAuthority>(loggers), cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default) => _authority.IssueAsync(id, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _authority.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>One folder for a user and a trust domain, so that ztunnels that are tried side by side trust each other.</summary>
    private static string FakeFolder(string trustDomain) =>
        Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"ambient-fake-ca-{Environment.UserName}-{trustDomain}"));
}
