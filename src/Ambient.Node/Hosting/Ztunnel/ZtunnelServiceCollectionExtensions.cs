using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>Runs a ztunnel inside a host of one's own.</summary>
public static class ZtunnelServiceCollectionExtensions
{
    /// <summary>
    /// Adds a ztunnel that starts and drains with the host. Its log lines go to standard output, as those of the ztunnel process do; the
    /// process itself (<see cref="ZtunnelProgram"/>) needs a third less memory than a generic host with this.
    /// </summary>
    /// <param name="services">Services of the host.</param>
    /// <param name="options">Settings. Dedicated mode needs <see cref="ZtunnelOptions.Workload"/>; both modes a source and an authority.</param>
    /// <exception cref="ArgumentException">The settings do not fit together.</exception>
    public static IServiceCollection AddZtunnel(this IServiceCollection services, ZtunnelOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Mode == ZtunnelMode.Dedicated && options.Workload is null)
        {
            throw new ArgumentException("dedicated mode needs a workload", nameof(options));
        }

        if (options.Host.AuthorityFolder is null && !options.FakeAuthority && options.CertificateAuthority is null && options.WorkloadApi is null)
        {
            throw new ArgumentException("no certificate authority: set AuthorityFolder", nameof(options));
        }

        return services.AddSingleton<IHostedService>(provider => new ZtunnelService(options, provider.GetService<TimeProvider>() ?? TimeProvider.System));
    }

    private sealed class ZtunnelService(ZtunnelOptions options, TimeProvider time) : IHostedService, IAsyncDisposable
    {
        private LogWriter? _writer;
        private HostLoggerFactory? _loggers;
        private Shutdown? _shutdown;
        private ZtunnelHost? _ztunnel;

        public async Task StartAsync(CancellationToken cancellationToken)
        {
            // Not HostProcess.Prepare: it takes the machine's roots from the whole process, and the host's own clients may need them.
            _writer = LogWriter.ToStandardOutput();
            _loggers = new HostLoggerFactory(_writer, options.Host.LogFormat, HostProcess.FilterOf(options.Host), time);
            _shutdown = new Shutdown(options.Host.TerminationDeadline, time, _loggers.CreateLogger("ztunnel"));
            _ztunnel = await ZtunnelHost.StartAsync(options, _loggers, _shutdown, time, cancellationToken).ConfigureAwait(false);
        }

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            if (_ztunnel is null || _shutdown is null)
            {
                return;
            }

            _shutdown.Begin("host");
            using var impatient = cancellationToken.Register(_shutdown.Force);
            await _ztunnel.RunUntilDrainedAsync().ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            if (_ztunnel is not null)
            {
                await _ztunnel.DisposeAsync().ConfigureAwait(false);
            }

            _shutdown?.Dispose();
            _loggers?.Dispose();
            _writer?.Dispose();
        }
    }
}
