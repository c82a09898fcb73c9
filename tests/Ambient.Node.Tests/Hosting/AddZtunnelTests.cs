using System.Net;
using System.Net.Sockets;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using HostOptions = Ambient.Node.Hosting.Options.HostOptions;

namespace Ambient.Node.Tests.Hosting;

public sealed class AddZtunnelTests
{
    [Fact]
    public async Task HostedZtunnel_StartsListensAndDrainsWithTheHost()
    {
        await using var mesh = await LoopbackMesh.StartAsync(twoNodes: true);
        mesh.Write("more", LoopbackMesh.Workload("hosted", "node-c"));
        await LoopbackMesh.Until(() => mesh.First.Mesh.Workloads.Values.Any(workload => workload.Name == "hosted-0"), "the workload is known");
        var address = new IPEndPoint(mesh.AddressOf("hosted"), 15080);
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddZtunnel(new ZtunnelOptions
        {
            Host = new HostOptions
            {
                Manifests = mesh.ManifestsFolder,
                AuthorityFolder = mesh.AuthorityFolder,
                NodeName = "node-c",
                PortOffset = PortOffsets.Next(),
                LogFilter = "off",
                IPv6Enabled = false,
            },
        });
        using (var host = builder.Build())
        {
            await host.StartAsync();
            using (var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
            {
                await probe.ConnectAsync(address);
            }

            await host.StopAsync();
        }

        using var gone = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAsync<SocketException>(() => gone.ConnectAsync(address));
    }

    [Fact]
    public void Settings_ThatDoNotFit_AreRefusedWhenTheyAreAdded()
    {
        Assert.Throws<ArgumentException>(() => new ServiceCollection().AddZtunnel(new ZtunnelOptions()));
        Assert.Throws<ArgumentException>(() => new ServiceCollection().AddZtunnel(new ZtunnelOptions { Mode = ZtunnelMode.Dedicated, FakeAuthority = true }));
    }
}
