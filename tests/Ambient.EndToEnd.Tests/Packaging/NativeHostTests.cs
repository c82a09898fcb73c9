using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Packaging;

/// <summary>What the native hosts carry, by the names of types and methods in their files, which stack traces are made of.</summary>
public sealed class NativeHostTests
{
    [SkippableTheory]
    [InlineData("waypoint")]
    [InlineData("ztunnel")]
    public void Host_HasNeitherKestrelNorYarp(string host)
    {
        var path = Path.Combine(Repository.Root, "artifacts", "hosts", host);
        Skip.IfNot(File.Exists(path), $"no native {host}: ./build.sh hosts makes it");
        var file = File.ReadAllBytes(path);

        Assert.False(Has("Kestrel"));
        Assert.False(Has("Yarp"));

        // Names can be seen: HttpClient is there, for the control plane.
        Assert.True(Has("SocketsHttpHandler"));

        bool Has(string name) => file.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(name)) >= 0 || file.AsSpan().IndexOf(System.Text.Encoding.Unicode.GetBytes(name)) >= 0;
    }
}
