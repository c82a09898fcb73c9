using System.Globalization;
using Ambient.Hbone.Sockets;

namespace Ambient.Node.Hosting.Options;

/// <summary>How many threads move bytes as told, else by what the pod may have of the machine.</summary>
internal static class WorkerThreads
{
    /// <summary>More than that are of no use to anybody, and a typing error.</summary>
    public const int Most = HboneIo.MaxThreads;

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

    /// <summary>Reads a number of threads or a share of <paramref name="cores"/>.</summary>
    public static bool TryParse(string text, int cores, out int threads)
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
