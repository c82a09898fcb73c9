using System.Text;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using NodeZtunnel = Ambient.Node.Hosting.Ztunnel.ZtunnelHost;

namespace Ambient.EndToEnd.Tests.Wire;

/// <summary>
/// A ztunnel of ours in this process, in loopback mode, with the mesh of <c>golden/ztunnel/local.yaml</c>. The recording's
/// pods are in 10.77.0.0/24; here they are in a loopback network of the test's own, so that neither root nor namespaces are
/// needed. Everything else of the file is as it is.
/// </summary>
internal sealed class WireZtunnel : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-wire-").FullName;
    private readonly MemoryLog _log = new();
    private readonly LogWriter _writer;
    private readonly HostLoggerFactory _loggers;
    private readonly Shutdown _shutdown;
    private NodeZtunnel? _ztunnel;

    private WireZtunnel()
    {
        _writer = new LogWriter(_log);
        _loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        _shutdown = new Shutdown(TimeSpan.FromSeconds(5), TimeProvider.System, _loggers.CreateLogger("ztunnel"));
    }

    /// <summary>The root of the mesh: it makes good and bad certificates.</summary>
    public TestAuthority Authority { get; } = new();

    /// <summary>Starts it.</summary>
    /// <param name="network">First three numbers of the pods' addresses, such as <c>127.77.0</c>.</param>
    /// <param name="edit">Further changes to the mesh.</param>
    public static async Task<WireZtunnel> StartAsync(string network, Func<string, string>? edit = null)
    {
        var ztunnel = new WireZtunnel();
        ztunnel.Authority.SaveRoot(Path.Combine(ztunnel._folder, "ca"));
        var mesh = (await File.ReadAllTextAsync(GoldenFolder.Require("ztunnel", "local.yaml"))).Replace("10.77.0.", network + ".", StringComparison.Ordinal);
        for (var attempt = 1; ; attempt++)
        {
            var options = new ZtunnelOptions
            {
                Mode = ZtunnelMode.Loopback,
                Host = new NodeOptions
                {
                    LocalXds = edit?.Invoke(mesh) ?? mesh,
                    AuthorityFolder = Path.Combine(ztunnel._folder, "ca"),
                    NodeName = "local",
                    PortOffset = PortOffsets.Next(),
                    IPv6Enabled = false,
                },
            };
            try
            {
                ztunnel._ztunnel = await NodeZtunnel.StartAsync(options, ztunnel._loggers, ztunnel._shutdown, TimeProvider.System, CancellationToken.None);
                break;
            }
            catch (IOException) when (attempt < 10)
            {
            }
        }

        return ztunnel;
    }

    /// <summary>Waits for a log line that has all the words.</summary>
    public async Task<string> LoggedAsync(params string[] words)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            while (true)
            {
                if (_log.Lines().FirstOrDefault(line => words.All(word => line.Contains(word, StringComparison.Ordinal))) is { } found)
                {
                    return found;
                }

                await Task.Delay(20, patience.Token);
            }
        }
        catch (OperationCanceledException)
        {
            throw new InvalidOperationException($"no log line has \"{string.Join("\" and \"", words)}\"; the log:\n{string.Join("\n", _log.Lines())}");
        }
    }

    /// <summary>Drains and ends it, as SIGTERM does.</summary>
    public async Task ShutDownAsync()
    {
        _shutdown.Begin("the test is over");
        await _ztunnel!.RunUntilDrainedAsync().WaitAsync(Patience);
        await _ztunnel.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _ztunnel!.DisposeAsync();
        _shutdown.Dispose();
        _loggers.Dispose();
        _writer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class MemoryLog : MemoryStream
    {
        private readonly StringBuilder _text = new();

        public string[] Lines()
        {
            lock (_text)
            {
                return _text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            }
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            lock (_text)
            {
                _text.Append(Encoding.UTF8.GetString(buffer));
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    }
}
