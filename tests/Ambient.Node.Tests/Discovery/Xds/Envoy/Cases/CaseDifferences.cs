namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Cases in which something is not alike, and why it cannot be. What comes of it from either source their questions say (<c>recorded</c>), and a test holds this table
/// to them.
/// </summary>
internal static class CaseDifferences
{
    public static Dictionary<string, string> All { get; } = new()
    {
        ["authz-layered"] = "istiod ran with ENABLE_LAYERED_WAYPOINT_AUTHORIZATION_POLICIES, which a folder has no word for: by default a selector's policies are not for waypoints",
        ["bare"] = "the proxy asked without METADATA_DISCOVERY, so that istiod does not tell it its own workload, and it is never ready",
        ["envoyfilter"] = "an EnvoyFilter adds Lua to every chain: istiod's configuration has it, and blocks; a folder names it and has no such filter",
        ["extensions"] = "wasm and Lua are in istiod's configuration, and block; a folder names them and has no such filters",
        ["mesh-config"] = "istiod tells a waypoint's clusters nothing of the mesh's h2UpgradePolicy, and its routes count tries whatever proxyHeaders say",
        ["persistent-session"] = "istiod drops session persistence",
        ["routes-more"] = "istiod drops session persistence, and an HTTPRoute's own retries try again after a reset or a try that took too long, which istiod's do not",
        ["se-wildcard-tls"] = "a wildcard host without addresses has none in a folder, so that no tunnel can ask for it; istiod allocates one",
    };
}
