namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>The programs that the walkthrough runs.</summary>
/// <param name="Ztunnel">Native ztunnel.</param>
/// <param name="Waypoint">Native waypoint, which is the ingress gateway too.</param>
/// <param name="Bookinfo">Bookinfo's services, run by <c>dotnet</c>.</param>
internal sealed record HostBinaries(string Ztunnel, string Waypoint, string Bookinfo)
{
    /// <summary>Where <c>build.sh</c> leaves them under the root of the repository.</summary>
    public static HostBinaries Under(string root) => new(
        Path.Combine(root, "artifacts", "hosts", "ztunnel"),
        Path.Combine(root, "artifacts", "hosts", "waypoint"),
        Path.Combine(root, "artifacts", "bin", "Bookinfo", "release", "bookinfo.dll"));

    /// <summary>What is not there, or null.</summary>
    public string? FindMissing() => new[] { Ztunnel, Waypoint, Bookinfo }.FirstOrDefault(path => !File.Exists(path));
}
