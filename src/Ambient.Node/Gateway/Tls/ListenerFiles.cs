using Ambient.Policy.Routing.Requests;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// What listeners show whose configuration names files at the gateway: read when it is first asked for, and again when a file has changed. What cannot be read leaves what was there,
/// and is said once for each change.
/// </summary>
/// <param name="logger">Told of what cannot be read.</param>
/// <param name="time">Clock.</param>
internal sealed partial class ListenerFiles(ILogger logger, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);

    private readonly Dictionary<(ListenerTls Tls, bool CarriesRequests), Read> _read = [];
    private readonly Lock _gate = new();
    private ITimer? _timer;

    /// <summary>Called when something else is to be shown.</summary>
    public Action? Changed { get; set; }

    /// <summary>What a listener shows; null where its files cannot be read and never could be, and why.</summary>
    public TlsIdentity? Of(ListenerTls tls, bool carriesRequests, out string? problem)
    {
        lock (_gate)
        {
            if (!_read.TryGetValue((tls, carriesRequests), out var read))
            {
                _read[(tls, carriesRequests)] = read = new Read();
                Look(tls, carriesRequests, read);
                _timer ??= time.CreateTimer(static own => ((ListenerFiles)own!).Look(), this, s_interval, s_interval);
            }

            problem = read.Identity is null ? read.Problem : null;
            return read.Identity;
        }
    }

    /// <summary>Forgets what no listener asks for any more.</summary>
    public void Keep(HashSet<ListenerTls> wanted)
    {
        lock (_gate)
        {
            foreach (var key in _read.Keys.Where(key => !wanted.Contains(key.Tls)).ToArray())
            {
                _read.Remove(key);
            }

            if (_read.Count == 0)
            {
                _timer?.Dispose();
                _timer = null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _timer?.Dispose();
            _timer = null;
        }
    }

    private void Look()
    {
        var changed = false;
        lock (_gate)
        {
            foreach (var ((tls, carriesRequests), read) in _read)
            {
                changed |= Look(tls, carriesRequests, read);
            }
        }

        if (changed)
        {
            Changed?.Invoke();
        }
    }

    private bool Look(ListenerTls tls, bool carriesRequests, Read read)
    {
        var files = tls.Files;
        var stamp = string.Join('|', new[] { files.Certificates, files.PrivateKey, files.Authorities }.OfType<string>().Select(GatewayCertificates.Stamp));
        if (read.Stamp == stamp)
        {
            return false;
        }

        read.Stamp = stamp;
        try
        {
            (read.Identity, read.Problem) = (TlsIdentity.Read(tls, carriesRequests), null);
        }
        catch (IOException e)
        {
            read.Problem = e.Message;
            LogNotRead(logger, e.Message);
        }

        return true;
    }

    [LoggerMessage(5608, LogLevel.Error, "files of a listener's certificate cannot be read, so what it showed before stays: {Reason}")]
    private static partial void LogNotRead(ILogger logger, string reason);

    private sealed class Read
    {
        public string Stamp { get; set; } = "";

        public TlsIdentity? Identity { get; set; }

        public string? Problem { get; set; }
    }
}
