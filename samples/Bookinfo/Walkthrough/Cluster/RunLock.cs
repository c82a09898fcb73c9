using System.Globalization;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>
/// One walkthrough at a time on a machine: pod addresses are computed from names, so two would meet on them. Also
/// remembers which processes were started, so that a run that was killed outright can be cleaned up by the next.
/// </summary>
internal sealed class RunLock : IDisposable
{
    private readonly FileStream _file;
    private readonly Lock _lock = new();

    private RunLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or says who has it.</summary>
    public static RunLock? TryTake(string path, out string? problem)
    {
        try
        {
            // FileShare.None is an advisory lock that the kernel drops when the process ends, however it ends.
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            problem = null;
            return new RunLock(file);
        }
        catch (IOException)
        {
            problem = $"another walkthrough is running on this machine (it holds {path}); its pods have the addresses that this one needs. Wait for it, or end it with Ctrl-C.";
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            problem = $"{path} belongs to another user's walkthrough; remove it, or set TMPDIR to a folder of your own.";
            return null;
        }
    }

    /// <summary>Ends the processes that a former run left because it was killed itself. Returns how many there were.</summary>
    public int StopLeftovers()
    {
        var stopped = 0;
        lock (_lock)
        {
            _file.Position = 0;
            using var reader = new StreamReader(_file, leaveOpen: true);
            while (reader.ReadLine() is { } line)
            {
                var parts = line.Split(' ');
                if (parts.Length == 2
                    && int.TryParse(parts[0], CultureInfo.InvariantCulture, out var id)
                    && long.TryParse(parts[1], CultureInfo.InvariantCulture, out var started)
                    && ProcessSignals.StartTime(id) == started)
                {
                    ProcessSignals.Terminate(id);
                    stopped++;
                }
            }

            _file.SetLength(0);
        }

        return stopped;
    }

    /// <summary>Remembers a process of this run.</summary>
    public void Remember(int processId)
    {
        if (ProcessSignals.StartTime(processId) is not { } started)
        {
            return;
        }

        lock (_lock)
        {
            _file.Seek(0, SeekOrigin.End);
            _file.Write(System.Text.Encoding.ASCII.GetBytes($"{processId} {started}\n"));
            _file.Flush();
        }
    }

    /// <summary>Forgets every process, all were stopped, and leaves no file that another user could not open.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _file.SetLength(0);
            File.Delete(_file.Name);
            _file.Dispose();
        }
    }
}
