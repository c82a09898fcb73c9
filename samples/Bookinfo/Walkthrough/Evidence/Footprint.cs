namespace Ambient.Samples.Bookinfo.Walkthrough.Evidence;

/// <summary>
/// What the mesh costs in memory for a cluster, from figures measured on this machine: one ztunnel a node and a few
/// waypoints, against one sidecar a pod.
/// </summary>
/// <param name="ZtunnelMegabytes">Resident memory of one ztunnel.</param>
/// <param name="WaypointMegabytes">Resident memory of one waypoint.</param>
internal sealed record Footprint(double ZtunnelMegabytes, double WaypointMegabytes)
{
    /// <summary>What ztunnel promises to stay under.</summary>
    public const double ZtunnelPromise = 15;

    /// <summary>What a waypoint promises to stay under.</summary>
    public const double WaypointPromise = 40;

    /// <summary>What one sidecar takes, as the comparison that service meshes are judged by assumes.</summary>
    public const double SidecarMegabytes = 40;

    /// <summary>Pods of the example cluster.</summary>
    public const int Pods = 200;

    /// <summary>Nodes of the example cluster: 22 pods each, or 23.</summary>
    public const int Nodes = 9;

    /// <summary>Waypoints of the example cluster: five namespaces that want layer 7, two replicas each.</summary>
    public const int Waypoints = 10;

    /// <summary>The promise for that cluster: 535 MB.</summary>
    public static Footprint Promised { get; } = new(ZtunnelPromise, WaypointPromise);

    /// <summary>A sidecar in every pod.</summary>
    public static double SidecarsTotal => Pods * SidecarMegabytes;

    /// <summary>Ambient, layer 4 only: a ztunnel a node.</summary>
    public double NodesTotal => Nodes * ZtunnelMegabytes;

    /// <summary>What layer 7 takes on top.</summary>
    public double WaypointsTotal => Waypoints * WaypointMegabytes;

    /// <summary>Ambient with waypoints.</summary>
    public double AmbientTotal => NodesTotal + WaypointsTotal;

    /// <summary>How many times less than sidecars.</summary>
    public double Ratio => SidecarsTotal / AmbientTotal;

    /// <summary>Reads VmRSS, in megabytes of 1,048,576 bytes, from the text of /proc/PID/status.</summary>
    /// <exception cref="FormatException">There is no such line, as for a process that has ended.</exception>
    public static double ParseResident(string status)
    {
        foreach (var line in status.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith("VmRSS:"))
            {
                continue;
            }

            var value = line["VmRSS:".Length..].Trim();
            if (value.EndsWith("kB") && long.TryParse(value[..^2].Trim(), out var kilobytes))
            {
                return kilobytes / 1024.0;
            }
        }

        throw new FormatException("no VmRSS line: the process has ended, or this is not /proc/PID/status");
    }

    /// <summary>Whether a program was compiled ahead of time: one that is compiled as it runs has its assembly beside it.</summary>
    public static bool IsNative(string program) => !File.Exists(program + ".dll");

    /// <summary>The program of a running process.</summary>
    public static string ProgramOf(int processId) =>
        new FileInfo($"/proc/{processId}/exe").LinkTarget ?? throw new FormatException($"process {processId} has ended");

    /// <summary>Resident memory of a running process, in megabytes.</summary>
    public static double ReadResident(int processId) => ParseResident(File.ReadAllText($"/proc/{processId}/status"));
}
