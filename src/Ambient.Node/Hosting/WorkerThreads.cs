using System.Globalization;

namespace Ambient.Node.Hosting;

/// <summary>How many threads move bytes (reference/ztunnel.md 1.2): as told, else by what the pod may have of the machine.</summary>
internal static class WorkerThreads
{
    /// <summary>More than that are of no use to anybody, and a typing error.</summary>
    public const int Most = 1024;

    /// <summary>Reads the variables. <paramref name="cores"/> are those that the process sees.</summary>
    public static int Read(VariableReader variables, int cores)
    {
        var asked = variables.OptionalText("ZTUNNEL_WORKER_THREADS", "threads that move bytes: a number, a share of the processors (50%), or 0 for one each; not set: by the variables below");
        var whole = variables.OptionalInteger("ZTUNNEL_CPU_LIMIT", 1, Most, "", "processors that shares are of; not set: all that there are");
        var limit = variables.OptionalInteger("ZTUNNEL_RESOURCE_CPU_LIMIT", 0, Most, "", "the pod's limit of processors");
        var request = variables.OptionalInteger("ZTUNNEL_RESOURCE_CPU_REQUEST", 0, Most, "", "the pod's request of processors");
        if (asked is not null && !TryParse(asked, whole ?? cores, out _))
        {
            variables.Fail($"ZTUNNEL_WORKER_THREADS: \"{asked}\" is neither a number from 0 to {Most} nor a share such as 50%");
            asked = null;
        }

        return Choose(asked, whole ?? cores, limit ?? 0, request ?? 0);
    }

    /// <summary>
    /// The rule: what was asked for; else the larger of limit and request where a limit is set; else the largest of a quarter of the
    /// processors, the request, and two.
    /// </summary>
    public static int Choose(string? asked, int cores, int limit, int request)
    {
        if (asked is not null && TryParse(asked, cores, out var threads))
        {
            return threads;
        }

        return limit > 0 ? Math.Max(limit, request) : Math.Max(Math.Max((cores + 3) / 4, request), 2);
    }

    private static bool TryParse(string text, int cores, out int threads)
    {
        var share = text.EndsWith('%');
        if (!int.TryParse(share ? text.AsSpan(0, text.Length - 1) : text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > Most)
        {
            threads = 0;
            return false;
        }

        threads = share ? Math.Max(1, (int)Math.Ceiling(cores * number / 100.0)) : number == 0 ? cores : number;
        return true;
    }
}
