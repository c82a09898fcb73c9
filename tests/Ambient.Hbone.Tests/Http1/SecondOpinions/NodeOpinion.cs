using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>Node's parser, in a process of its own; see <c>http1-server.mjs</c>.</summary>
internal sealed class NodeOpinion : IAsyncDisposable
{
    private readonly Process _process;

    private NodeOpinion(Process process, IPEndPoint endPoint) => (_process, EndPoint) = (process, endPoint);

    public IPEndPoint EndPoint { get; }

    /// <summary>Starts it; skips the test where there is no Node.</summary>
    public static async Task<NodeOpinion> StartAsync()
    {
        var start = new ProcessStartInfo("node") { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Http1", "SecondOpinions", "http1-server.mjs"));
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
        }

        Skip.If(process is null, "node is not installed");
        var line = await process!.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30));
        return new NodeOpinion(process, new IPEndPoint(IPAddress.Loopback, int.Parse(line!, CultureInfo.InvariantCulture)));
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
