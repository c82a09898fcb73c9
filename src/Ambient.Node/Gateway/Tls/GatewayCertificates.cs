using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Ambient.Mesh;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// The certificates that listeners show, from their files: read again when one of these has changed. What cannot be read leaves what was there, and
/// is said once for each change.
/// </summary>
internal sealed partial class GatewayCertificates : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);

    private readonly ImmutableArray<GatewayCertificate> _files;
    private readonly ConcurrentDictionary<string, TlsIdentity> _identities = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _stamps = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly ILogger _logger;
    private readonly ITimer _timer;

    /// <summary>Reads what is there, and keeps watching.</summary>
    /// <param name="files">Files of each listener.</param>
    /// <param name="logger">Told of what cannot be read.</param>
    /// <param name="time">Clock.</param>
    [SuppressMessage("Reliability", "CA2000", Justification = "Disposed with this.")]
    public GatewayCertificates(IEnumerable<GatewayCertificate> files, ILogger logger, TimeProvider time)
    {
        _files = [.. files];
        _logger = logger;
        Read();
        _timer = time.CreateTimer(static own => ((GatewayCertificates)own!).Look(), this, _files.IsEmpty ? Timeout.InfiniteTimeSpan : s_interval, s_interval);
    }

    /// <summary>Called when something else is to be shown.</summary>
    public Action? Changed { get; set; }

    /// <summary>What a listener shows; null where no file of it could be read.</summary>
    public TlsIdentity? Of(GatewayListener listener) => _identities.GetValueOrDefault(listener.Name);

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (Read())
        {
            Changed?.Invoke();
        }
    }

    private bool Read()
    {
        var changed = false;
        lock (_gate)
        {
            foreach (var files in _files)
            {
                var stamp = string.Join('|', Stamp(files.CertificateFile), Stamp(files.KeyFile), files.ClientAuthorityFile is { } authorities ? Stamp(authorities) : "");
                if (_stamps.GetValueOrDefault(files.Listener) == stamp)
                {
                    continue;
                }

                _stamps[files.Listener] = stamp;
                try
                {
                    _identities[files.Listener] = TlsIdentity.Read(files);
                    changed = true;
                }
                catch (IOException e)
                {
                    LogNotRead(_logger, files.Listener, e.Message);
                }
            }
        }

        return changed;
    }

    /// <summary>What a file is like now; something else when it was replaced.</summary>
    internal static string Stamp(string file)
    {
        try
        {
            // Secrets are mounted as links to folders that are swapped: what they lead to counts.
            var info = new FileInfo(file);
            var target = info.ResolveLinkTarget(returnFinalTarget: true) ?? info;
            return target.Exists ? $"{target.FullName} {target.LastWriteTimeUtc.Ticks} {((FileInfo)target).Length}" : "-";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // It is not there, or not for us; why is said where it is read.
            return "-";
        }
    }

    [LoggerMessage(5605, LogLevel.Error, "the certificate of listener {Listener} cannot be read, so what it showed before stays: {Reason}")]
    private static partial void LogNotRead(ILogger logger, string listener, string reason);
}
