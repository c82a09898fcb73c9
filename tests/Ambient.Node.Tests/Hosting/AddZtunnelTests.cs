using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Tests.Hosting;

public sealed class AddZtunnelTests : IDisposable
{
    [Fact]
    public async Task HostedZtunnel_StartsListensAndDrainsWithTheHost()
    {
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: true);
        mesh.Write("more", LoopbackMesh.Workload("hosted", "node-c"));
        await LoopbackMesh.Until(() => mesh.First.Mesh.Workloads.Values.Any(workload => workload.Name == "hosted-0"), "the workload is known");
        var address = new IPEndPoint(mesh.AddressOf("hosted"), 15080);
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddProvider(_log);
        builder.AddAmbientMesh().FromManifests(mesh.ManifestsFolder).WithEmbeddedAuthority(mesh.AuthorityFolder).AsZtunnel(ztunnel =>
        {
            ztunnel.Host.NodeName = "node-c";
            ztunnel.Host.PortOffset = PortOffsets.Next();
            ztunnel.Host.IPv6Enabled = false;
        });
        using (var host = builder.Build())
        {
            await host.StartAsync();
            await using (mesh.Echo("server"))
            using (var client = await mesh.ConnectAsync("hosted", $"server.{mesh.Namespace}", 80))
            {
                Assert.Equal("hello", await LoopbackMesh.EchoAsync(client, "hello"));
            }

            // The application's own loggers have every line, those of the access log too.
            await LoopbackMesh.Until(() => _log.Written.Any(line => line.StartsWith("Ambient.Node.access: connection complete\tsrc.addr=", StringComparison.Ordinal)), "the access log line");

            await host.StopAsync();
        }

        using var gone = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAsync<SocketException>(() => gone.ConnectAsync(address));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WorkerThreads_OfConfigurationOrCode_AreThoseOfTheHostAndEndWithIt(bool configured)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        // More than anybody makes by default: the highest number tells that they are this host's.
        var threads = configured ? 7 : 9;
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: true);
        mesh.Write("more", LoopbackMesh.Workload("hosted", "node-c"));
        await LoopbackMesh.Until(() => mesh.First.Mesh.Workloads.Values.Any(workload => workload.Name == "hosted-0"), "the workload is known");
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration["Ambient:Ztunnel:WorkerThreads"] = configured ? $"{threads}" : null;
        builder.AddAmbientMesh().FromManifests(mesh.ManifestsFolder).WithEmbeddedAuthority(mesh.AuthorityFolder).AsZtunnel(ztunnel =>
        {
            ztunnel.Host.NodeName = "node-c";
            ztunnel.Host.PortOffset = PortOffsets.Next();
            ztunnel.Host.IPv6Enabled = false;
            ztunnel.WorkerThreads = configured ? ztunnel.WorkerThreads : threads;
        });
        using (var host = builder.Build())
        {
            await host.StartAsync();
            await using (mesh.Echo("server"))
            using (var client = await mesh.ConnectAsync("hosted", $"server.{mesh.Namespace}", 80))
            {
                Assert.Equal("hello", await LoopbackMesh.EchoAsync(client, "hello"));
                Assert.True(HasThread($"hbone-io-{threads - 1}"), "the last thread is missing");
                Assert.False(HasThread($"hbone-io-{threads}"), "there is one too many");
            }

            await host.StopAsync();
        }

        await LoopbackMesh.Until(() => !HasThread($"hbone-io-{threads - 1}"), "the threads have ended");
    }

    [Fact]
    public async Task WorkerThreads_OutOfRange_StopTheStart()
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.AddAmbientMesh().AsZtunnel(ztunnel => ztunnel.WorkerThreads = 0);
        using var host = builder.Build();

        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());

        Assert.Contains("WorkerThreads: 0 is not a number of threads from 1 to 1024", failure.Failures);
    }

    [Theory]
    [InlineData("no certificate authority", "")]
    [InlineData("dedicated mode needs it", "dedicated")]
    [InlineData("no source for the mesh", "")]
    public async Task Settings_ThatDoNotFit_StopTheStartWithEveryError(string error, string mode)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.AddAmbientMesh().AsZtunnel(ztunnel => ztunnel.Mode = mode == "dedicated" ? ZtunnelMode.Dedicated : ZtunnelMode.Loopback);
        using var host = builder.Build();

        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());

        Assert.Contains(failure.Failures, text => text.Contains(error, StringComparison.Ordinal));
        Assert.True(failure.Failures.Count() >= 2, failure.Message);
    }

    [Fact]
    public void OneApplication_IsOneNode()
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        var mesh = builder.AddAmbientMesh().AsZtunnel();

        Assert.Throws<InvalidOperationException>(() => mesh.AsWaypoint());
    }

    [Fact]
    public async Task OwnAuthorityAndSource_AreUsedInPlaceOfNamedOnes()
    {
        var source = new OwnSource();
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton<IMeshSource>(source).AddSingleton<ICertificateAuthority>(new TestAuthority());
        builder.AddAmbientMesh().AsZtunnel(ztunnel =>
        {
            ztunnel.Host.PortOffset = PortOffsets.Next();
            ztunnel.Host.IPv6Enabled = false;
        });
        using var host = builder.Build();

        await host.StartAsync();
        await host.StopAsync();

        Assert.True(source.Started);
    }

    public void Dispose() => _log.Dispose();

    private static bool HasThread(string name) => Directory.EnumerateDirectories("/proc/self/task").Any(task =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).Trim() == name;
        }
        catch (IOException)
        {
            // It ended just now.
            return false;
        }
    });

    private readonly Lines _log = new();

    private sealed class OwnSource : IMeshSource
    {
        public bool Started { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken)
        {
            Started = true;
            return Task.CompletedTask;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Lines : ILoggerProvider
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> Written => _lines;

        public ILogger CreateLogger(string categoryName) => new Logger(_lines, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(ConcurrentQueue<string> lines, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                lines.Enqueue($"{category}: {formatter(state, exception)}");
        }
    }
}
