using System.Text;
using Ambient.Certificates;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Hosting.Process;

/// <summary>What every host process sets up before its first socket.</summary>
internal static class HostProcess
{
    /// <summary>Switches of the runtime and of OpenSSL that have to be set before they are first looked at.</summary>
    /// <param name="machineRoots">Whether the machine's root store is needed.</param>
    public static void Prepare(bool machineRoots)
    {
        // Completions run where epoll reports them: crossing to the thread pool costs a third of the requests per second.
        if (Environment.GetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS") is null)
        {
            Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        }

        if (!machineRoots)
        {
            MachineRoots.DoNotLoad();
        }
    }

    /// <summary>The log filter of settings that were validated.</summary>
    public static LogFilter FilterOf(NodeOptions host) => LogFilter.TryParse(host.LogFilter, out var filter, out _) ? filter : LogFilter.Info;

    /// <summary>Why a host does not run, a line of the log each: a configuration may be wrong in many places.</summary>
    public static string[] ReasonsOf(Exception failure) =>
        failure.Message.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>A table of variables for <c>--help</c>.</summary>
    public static string Describe(VariableReader variables)
    {
        var text = new StringBuilder();
        foreach (var variable in variables.Declared.DistinctBy(variable => variable.Name).OrderBy(variable => variable.Name, StringComparer.Ordinal))
        {
            text.Append("  ").Append(variable.Name);
            if (variable.Default.Length > 0)
            {
                text.Append(" [").Append(variable.Default).Append(']');
            }

            text.Append("\n      ").Append(variable.Meaning).Append('\n');
        }

        return text.ToString();
    }
}
