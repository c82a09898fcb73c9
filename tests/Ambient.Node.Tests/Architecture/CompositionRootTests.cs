using System.Text.RegularExpressions;
using Ambient.Node.Authorities;
using Ambient.Node.Discovery;
using Ambient.Node.Membership;
using Ambient.Testing;

namespace Ambient.Node.Tests.Architecture;

/// <summary>Sources, authority and certificates are put together in one place, for every kind of node.</summary>
public sealed class CompositionRootTests
{
    /// <summary>Makers of parts of a membership, and where each may be made.</summary>
    public static TheoryData<string, string> Makers { get; } = new()
    {
        { "new SvidCache(", "Ambient.Node/Membership/MeshRuntime.cs" },
        { "Authority.OpenAsync(", "Ambient.Node/Membership/MeshRuntime.cs" },
        { "MeshSource.Create(", "Ambient.Node/Membership/MeshRuntime.cs" },
        { "new RevocationFile(", "Ambient.Node/Membership/MeshRuntime.cs" },
        { "new AddressDemand(", "Ambient.Node/Membership/MeshRuntime.cs" },
        { "new IstioAuthority(", "Ambient.Node/Authorities/Authority.cs" },
        { "new WorkloadApiAuthority(", "Ambient.Node/Authorities/Authority.cs" },
        { "EmbeddedAuthority.OpenAsync(", "Ambient.Node/Authorities/Authority.cs" },
        { "new XdsSource(", "Ambient.Node/Discovery/MeshSource.cs" },
        { "new ManifestFolderSource(", "Ambient.Node/Discovery/MeshSource.cs" },
        { "new LocalConfigSource(", "Ambient.Node/Discovery/MeshSource.cs" },
    };

    [Theory]
    [MemberData(nameof(Makers))]
    public void PartOfAMembership_IsMadeInOnePlace(string maker, string place)
    {
        // A source by itself is public: a program that only looks at a mesh, as the walkthrough's narrator does, is no member of it.
        string[] folders = maker == "MeshSource.Create(" ? ["src"] : ["src", "samples"];
        var makers = folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Where(file => File.ReadLines(file).Any(line => Makes(line, maker)))
            .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'));

        Assert.Equal([$"src/{place}"], makers);
    }

    [Fact]
    public void Engines_DoNotKnowWhereCertificatesOrTheMeshComeFrom()
    {
        var graph = NamespaceGraph.Of(typeof(MeshRuntime).Assembly);
        foreach (var type in new[] { typeof(Authority), typeof(MeshSource), typeof(IstioAuthority), typeof(WorkloadApiAuthority) })
        {
            Assert.All(graph.UsersOf(type), user => Assert.True(
                user.StartsWith("Ambient.Node.Authorities.", StringComparison.Ordinal)
                    || user.StartsWith("Ambient.Node.Discovery.", StringComparison.Ordinal)
                    || user.StartsWith("Ambient.Node.Membership.", StringComparison.Ordinal),
                $"{user} uses {type.Name}"));
        }
    }

    // Word for word, but neither in a comment nor as the end of a longer name; or the same with the type in front, as in "SvidCache cache = new(".
    private static bool Makes(string line, string maker)
    {
        if (line.TrimStart().StartsWith("//", StringComparison.Ordinal))
        {
            return false;
        }

        var at = line.IndexOf(maker, StringComparison.Ordinal);
        return (at >= 0 && (at == 0 || !char.IsLetterOrDigit(line[at - 1])))
            || (maker.StartsWith("new ", StringComparison.Ordinal) && Regex.IsMatch(line, $@"\b{Regex.Escape(maker[4..^1])}\??\s+\w+\s*=\s*new\("));
    }

    [Theory]
    [InlineData("        var cache = new SvidCache(authority);", true)]
    [InlineData("        SvidCache cache = new(authority);", true)]
    [InlineData("    private readonly SvidCache? _cache = new(", true)]
    [InlineData("        var source = new OtherSvidCache(authority);", false)]
    [InlineData("        // new SvidCache(authority)", false)]
    [InlineData("        SvidCacheOptions options = new();", false)]
    public void Construction_IsRecognized(string line, bool expected) => Assert.Equal(expected, Makes(line, "new SvidCache("));
}
