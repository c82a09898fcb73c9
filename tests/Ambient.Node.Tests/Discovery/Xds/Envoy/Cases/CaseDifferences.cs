namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>Cases in which something is not alike, and why it cannot be. The questions concerned say what comes of them from either source.</summary>
internal static class CaseDifferences
{
    public static Dictionary<string, string> All { get; } = Read();

    private static Dictionary<string, string> Read() => (Environment.GetEnvironmentVariable("DEV_DIFF") is { } dev ? File.ReadAllLines(dev) : []).ToDictionary(l => l.Split(": ")[0], l => l);
}
