namespace Ambient.Certificates;

/// <summary>Settings of an <see cref="EmbeddedAuthority"/>.</summary>
public sealed class EmbeddedAuthorityOptions
{
    /// <summary>Folder of the root; made with mode 0700 when missing. Every process of the machine that names the same folder shares the root.</summary>
    public required string Folder { get; set; }

    /// <summary>Trust domain that SVIDs are issued for. Default <c>cluster.local</c>. IDs of other trust domains are refused.</summary>
    public string TrustDomain { get; set; } = "cluster.local";

    /// <summary>
    /// Life of a leaf from now on, at least one second. Default 24 hours. A cache renews at half of it: seconds are for tests,
    /// days leave a stolen key useful for long.
    /// </summary>
    public TimeSpan LeafLifetime { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Life of a root that has to be made, at least that of a leaf. Default ten years. A root in the folder keeps its own.</summary>
    public TimeSpan RootLifetime { get; set; } = TimeSpan.FromDays(3650);

    /// <summary>How long to wait for another process that is making the root: up to one day. Default 30 seconds.</summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
