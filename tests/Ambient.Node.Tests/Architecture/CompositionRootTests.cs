using Ambient.Node.Authorities;
using Ambient.Node.Discovery;
using Ambient.Node.Membership;

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
        var sources = Path.Combine(RepositoryFolder.Root, "src");
        var makers = Directory.EnumerateFiles(sources, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Where(file => File.ReadLines(file).Any(line => Makes(line, maker)))
            .Select(file => Path.GetRelativePath(sources, file).Replace('\\', '/'));

        Assert.Equal([place], makers);
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

    // Word for word, but neither in a comment nor as the end of a longer name.
    private static bool Makes(string line, string maker)
    {
        var at = line.IndexOf(maker, StringComparison.Ordinal);
        return at >= 0 && (at == 0 || !char.IsLetterOrDigit(line[at - 1])) && !line.TrimStart().StartsWith("//", StringComparison.Ordinal);
    }
}
