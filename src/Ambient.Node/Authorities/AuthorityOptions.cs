using Ambient.Node.ControlPlane;

namespace Ambient.Node.Authorities;

/// <summary>Who issues certificates: an authority in this process, istiod, or a SPIFFE Workload API. Exactly one of them.</summary>
internal sealed record AuthorityOptions
{
    /// <summary>Folder of the embedded authority.</summary>
    public string? Folder { get; init; }

    /// <summary>Istio's certificate service.</summary>
    public ControlPlaneOptions? Istio { get; init; }

    /// <summary>A SPIFFE Workload API, such as that of a SPIRE agent.</summary>
    public WorkloadApiAddress? WorkloadApi { get; init; }

    /// <summary>Whether certificates are requested on behalf of workloads, as a node's proxy does, rather than for this process itself.</summary>
    public bool Impersonate { get; init; }

    /// <summary>Trust domain of the embedded authority.</summary>
    public string TrustDomain { get; init; } = "cluster.local";

    /// <summary>How long an issued certificate is valid.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>The folder of <c>FAKE_CA</c>: one per user and trust domain, so that hosts tried side by side trust each other.</summary>
    public static string FakeFolder(string trustDomain) => Path.Combine(Path.GetTempPath(), $"ambient-fake-ca-{Uid()}-{trustDomain}");

    /// <summary>The user's number where the system has one: in a container the user may have no name.</summary>
    private static string Uid()
    {
        foreach (var line in File.Exists("/proc/self/status") ? File.ReadLines("/proc/self/status") : [])
        {
            if (line.StartsWith("Uid:", StringComparison.Ordinal) && line.Split('\t') is [_, var uid, ..])
            {
                return uid;
            }
        }

        return Environment.UserName;
    }
}
