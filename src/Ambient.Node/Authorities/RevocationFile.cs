using Ambient.Identity;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Authorities;

/// <summary>
/// Revoked certificates from a file (<c>CRL_PATH</c>, RFC 5280 section 5), checked every two seconds: mounted files change when a
/// link is swapped, which not every kind of watch reports. If the file cannot be read, the previous contents stay in force.
/// </summary>
internal sealed partial class RevocationFile : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);

    private readonly string _path;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _reading = new();
    private byte[]? _content;
    private string? _complaint;

    /// <summary>Reads the file now, and again whenever it changes.</summary>
    public RevocationFile(string path, MetricRegistry registry, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentNullException.ThrowIfNull(time);
        _path = path;
        _logger = logger;
        var rejections = registry.Add(new CounterFamily("istio_crl_policy_rejections", "The total number of connections rejected or closed due to CRL (unstable)."));
        var untracked = registry.Add(new CounterFamily(
            "istio_crl_untracked_connections", "The total number of connections that no CRL can speak against (unstable)."));
        Revocation = new PeerRevocation { Rejected = role => rejections.Series(Reporter(role)).Increment(), Untracked = role => untracked.Series(Reporter(role)).Increment() };
        Look();
        _timer = time.CreateTimer(static state => ((RevocationFile)state!).Look(), this, s_interval, s_interval);
    }

    /// <summary>Who is revoked.</summary>
    public PeerRevocation Revocation { get; }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    /// <summary>Reads the file if it has changed.</summary>
    internal void Look()
    {
        lock (_reading)
        {
            try
            {
                var content = File.ReadAllBytes(_path);
                if (_content is not null && content.AsSpan().SequenceEqual(_content))
                {
                    return;
                }

                var lists = RevocationLists.Parse(content);
                (_content, _complaint) = (content, null);
                Revocation.Replace(lists);
                LogRead(_logger, _path, lists.Lists, lists.Count);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
            {
                // Logged once for as long as the problem lasts.
                if (_complaint != e.Message)
                {
                    _complaint = e.Message;
                    LogUnreadable(_logger, _path, e.Message, Revocation.Lists.Count);
                }
            }
        }
    }

    private static MetricLabels Reporter(PeerRole peer) => MetricLabels.Of(("reporter", peer == PeerRole.Client ? "destination" : "source"));

    [LoggerMessage(2510, LogLevel.Information, "certificate revocation lists read from {Path}: {Lists} lists, {Count} revoked certificates; connections of their holders are closed")]
    private static partial void LogRead(ILogger logger, string path, int lists, int count);

    [LoggerMessage(2511, LogLevel.Error, "certificate revocation list {Path} cannot be read (CRL_PATH): {Reason}. Until it can, the {Count} certificates revoked so far stay revoked")]
    private static partial void LogUnreadable(ILogger logger, string path, string reason, int count);
}
