using System.Diagnostics;
using System.Globalization;
using Ambient.Node.Sockets;

namespace Ambient.Node.Tests.Capture.InPod;

/// <summary>A network namespace of a test's own, removed afterwards.</summary>
internal sealed class OtherNetwork : IDisposable
{
    private static int s_count;
    private readonly string _name;

    private OtherNetwork(string name)
    {
        _name = name;
        Namespace = PodNamespace.Open($"/run/netns/{name}");
    }

    public PodNamespace Namespace { get; }

    /// <summary>Makes one, or skips the test where that is not possible.</summary>
    public static async Task<OtherNetwork> CreateAsync()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && Environment.UserName == "root", "network namespaces need root on Linux");
        var name = string.Create(CultureInfo.InvariantCulture, $"ambient-unit-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}");
        Skip.IfNot(await RunAsync("ip", "netns", "add", name) == 0, "network namespaces are not allowed here");
        await RunAsync("ip", "-n", name, "link", "set", "lo", "up");
        return new OtherNetwork(name);
    }

    public void Dispose()
    {
        Namespace.Dispose();
        RunAsync("ip", "netns", "del", _name).GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
