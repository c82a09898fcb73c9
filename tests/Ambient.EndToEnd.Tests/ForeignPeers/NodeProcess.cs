using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>One of the scripts beside this file, run by Node; what it prints are lines of JSON. Killed on disposal.</summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly Channel<JsonNode> _lines = Channel.CreateUnbounded<JsonNode>();
    private readonly List<string> _log = [];
    private readonly Task _reading;

    private NodeProcess(Process process)
    {
        _process = process;
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput, isJson: true), ReadAsync(process.StandardError, isJson: false));
    }

    /// <summary>Starts a script; skips the test where there is no Node.</summary>
    public static NodeProcess Start(string script, object options)
    {
        var start = new ProcessStartInfo("node") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "ForeignPeers", "Scripts", script));
        start.ArgumentList.Add(JsonSerializer.Serialize(options));
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
        }

        Skip.If(process is null, "node is not installed");
        return new NodeProcess(process!);
    }

    /// <summary>The next line.</summary>
    public async Task<JsonNode> ReadAsync()
    {
        try
        {
            return await _lines.Reader.ReadAsync().AsTask().WaitAsync(s_patience);
        }
        catch (Exception e) when (e is ChannelClosedException or TimeoutException)
        {
            throw new InvalidOperationException($"node said nothing more: {string.Join(" | ", Log())}", e);
        }
    }

    /// <summary>Reads on to the event; those before it are skipped.</summary>
    public async Task<JsonNode> ReadAsync(string name)
    {
        while (true)
        {
            var line = await ReadAsync();
            if ((string?)line["event"] == name)
            {
                return line;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _process.WaitForExitAsync().WaitAsync(s_patience);
        await _reading.WaitAsync(s_patience);
        _process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader, bool isJson)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_log)
            {
                _log.Add(line);
            }

            if (isJson)
            {
                _lines.Writer.TryWrite(JsonNode.Parse(line)!);
            }
        }

        if (isJson)
        {
            _lines.Writer.TryComplete();
        }
    }

    private string[] Log()
    {
        lock (_log)
        {
            return [.. _log];
        }
    }
}
