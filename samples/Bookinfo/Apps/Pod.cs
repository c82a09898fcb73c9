using System.Globalization;
using System.Net;

namespace Ambient.Samples.Bookinfo;

/// <summary>The pod that this process is, from the variables that the downward API would set.</summary>
/// <param name="Name">Name, shown on the page.</param>
/// <param name="Address">Own address: the service listens on it and its ztunnel's SOCKS5 door is on it.</param>
/// <param name="Version">Version label: reviews differ by it.</param>
/// <param name="Port">Port that the service listens on.</param>
/// <param name="IsRedirected">Whether the pod has a network of its own, from which ztunnel takes what the pod sends.</param>
internal sealed record Pod(string Name, IPAddress Address, string Version, int Port, bool IsRedirected)
{
    public static Pod FromEnvironment() => new(
        Environment.GetEnvironmentVariable("POD_NAME") ?? Environment.MachineName,
        IPAddress.Parse(Environment.GetEnvironmentVariable("POD_IP") ?? "127.0.0.1"),
        Environment.GetEnvironmentVariable("SERVICE_VERSION") ?? "v1",
        int.Parse(Environment.GetEnvironmentVariable("PORT") ?? "9080", CultureInfo.InvariantCulture),
        Environment.GetEnvironmentVariable("MESH_PROXY") == "none");
}
