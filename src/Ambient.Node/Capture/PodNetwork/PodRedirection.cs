using System.ComponentModel;
using System.Diagnostics;
using Ambient.Node.Sockets;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>Writes the redirection of a pod into its network namespace, and takes it out again. Doing either twice is doing it once.</summary>
public static class PodRedirection
{
    /// <summary>Installs the rules: the nft table at once and whole, then the route by which answers to spoofed sources come back.</summary>
    /// <exception cref="PodNetworkException">A tool or a capability is missing, or the kernel refused; the message says which.</exception>
    public static async Task InstallAsync(PodNamespace pod, PodCapture capture, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pod);
        await RunAsync(pod, "nft", ["-f", "-"], PodRules.Install(capture), cancellationToken).ConfigureAwait(false);
        foreach (var family in Families(pod))
        {
            if (!await HasRuleAsync(pod, family, cancellationToken).ConfigureAwait(false))
            {
                await RunAsync(pod, "ip", [family, "rule", "add", .. Rule], null, cancellationToken).ConfigureAwait(false);
            }

            await RunAsync(pod, "ip", [family, "route", "replace", .. Route(family)], null, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Removes everything that <see cref="InstallAsync"/> wrote, and nothing else.</summary>
    /// <exception cref="PodNetworkException">A tool or a capability is missing; the message says which.</exception>
    public static async Task RemoveAsync(PodNamespace pod, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pod);
        await RunAsync(pod, "nft", ["-f", "-"], PodRules.Remove(), cancellationToken).ConfigureAwait(false);
        foreach (var family in Families(pod))
        {
            if (await HasRuleAsync(pod, family, cancellationToken).ConfigureAwait(false))
            {
                await RunAsync(pod, "ip", [family, "rule", "del", .. Rule], null, cancellationToken).ConfigureAwait(false);
                await RunAsync(pod, "ip", [family, "route", "flush", "table", $"{PodRules.RoutingTable}"], null, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static string[] Rule =>
        ["fwmark", $"{PodRules.ConnectionMark}/{PodRules.MarkMask}", "pref", $"{PodRules.RulePreference}", "lookup", $"{PodRules.RoutingTable}"];

    private static string[] Route(string family) =>
        ["local", family == "-4" ? "0.0.0.0/0" : "::/0", "dev", "lo", "table", $"{PodRules.RoutingTable}"];

    private static string[] Families(PodNamespace pod) =>
        pod.Run(() => LoopbackFamilies.HasIPv6) ? ["-4", "-6"] : ["-4"];

    private static async Task<bool> HasRuleAsync(PodNamespace pod, string family, CancellationToken cancellationToken) =>
        (await RunAsync(pod, "ip", [family, "rule", "list", "pref", $"{PodRules.RulePreference}"], null, cancellationToken).ConfigureAwait(false))
            .Contains("fwmark", StringComparison.Ordinal);

    private static async Task<string> RunAsync(
        PodNamespace pod, string tool, string[] arguments, string? input, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Find(tool), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process;
        try
        {
            process = pod.Start(start);
        }
        catch (Win32Exception e)
        {
            throw new PodNetworkException($"{tool} cannot be run: {e.Message}", e);
        }

        using (process)
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            try
            {
                if (input is not null)
                {
                    await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken).ConfigureAwait(false);
                }

                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended before it read everything: what it says about that comes below.
            }

            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            if (process.ExitCode == 0)
            {
                return await output.ConfigureAwait(false);
            }

            throw new PodNetworkException(Explain(pod, tool, arguments, (await error.ConfigureAwait(false)).Trim()));
        }
    }

    private static string Explain(PodNamespace pod, string tool, string[] arguments, string said)
    {
        var what = $"{pod.Path}: {tool} {string.Join(' ', arguments)}: {said}";
        return said.Contains("Operation not permitted", StringComparison.Ordinal) ? $"{what}. It takes CAP_NET_ADMIN in that network" : what;
    }

    private static string Find(string tool)
    {
        // sbin holds both, and is not on everybody's PATH.
        foreach (var folder in (string[])["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"])
        {
            var path = Path.Combine(folder, tool);
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new PodNetworkException(tool == "nft"
            ? "nft is not installed, and redirection is written with it: apt-get install nftables"
            : $"{tool} is not installed: apt-get install iproute2");
    }
}
