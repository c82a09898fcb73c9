using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Builder;

/// <summary>A node that lives as long as an application's host: started with it, drained when it stops, and ends it when it cannot go on.</summary>
internal abstract partial class HostedNode : IHostedService, IAsyncDisposable
{
    private readonly IServiceProvider _services;
    private readonly string _name;
    private HostLoggerFactory? _loggers;
    private Shutdown? _shutdown;
    private IHostedProxy? _proxy;
    private Task _running = Task.CompletedTask;

    /// <summary>Creates it; nothing is bound before the host starts.</summary>
    /// <param name="services">The application's services: its options, loggers and clock.</param>
    /// <param name="name">What the node is called in the log.</param>
    protected HostedNode(IServiceProvider services, string name)
    {
        _services = services;
        _name = name;
    }

    /// <summary>The application's services.</summary>
    protected IServiceProvider Services => _services;

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Not HostProcess.Prepare: it takes the machine's roots from the whole process, and the application's own clients may need them.
        var time = _services.GetService<TimeProvider>() ?? TimeProvider.System;
        _loggers = HostLoggerFactory.Over(_services.GetRequiredService<ILoggerFactory>(), time);
        _shutdown = new Shutdown(Settings.TerminationDeadline, time, _loggers.CreateLogger(_name));
        _proxy = await StartAsync(_loggers, _shutdown, time, cancellationToken).ConfigureAwait(false);
        _running = RunAsync(_proxy, _loggers.CreateLogger(_name));
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_shutdown is null)
        {
            return;
        }

        _shutdown.Begin("host");
        using var impatient = cancellationToken.Register(_shutdown.Force);
        await _running.ConfigureAwait(false);
        if (_proxy is not null)
        {
            // Ports are free again when the host has stopped, not only when its services are disposed.
            await _proxy.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_proxy is not null)
        {
            await _proxy.DisposeAsync().ConfigureAwait(false);
        }

        _shutdown?.Dispose();
        _loggers?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>What every node has of settings.</summary>
    protected abstract NodeOptions Settings { get; }

    /// <summary>Starts the proxy.</summary>
    protected abstract Task<IHostedProxy> StartAsync(HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken);

    /// <summary>Runs until it is drained. A node that fails ends its application, as it would end its own process.</summary>
#pragma warning disable CA1031
    private async Task RunAsync(IHostedProxy proxy, ILogger logger)
    {
        try
        {
            await proxy.RunUntilDrainedAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            LogFailed(logger, _name, e.Message);
            _services.GetService<IHostApplicationLifetime>()?.StopApplication();
        }
    }
#pragma warning restore CA1031

    [LoggerMessage(7000, LogLevel.Critical, "{Name} cannot go on, and the application ends: {Reason}")]
    private static partial void LogFailed(ILogger logger, string name, string reason);
}
