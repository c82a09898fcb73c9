using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.LocalConfig;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Whatever is done to a manifest, reading it ends, and ends in a mesh or in errors with a place.</summary>
public sealed class ManifestFuzzTests
{
    private static readonly string[] Fragments =
    [
        "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "!!int ", "!x ", "---\n", "...\n", "\"", "'", "|\n", ">\n", "\t", "\0", "#", "%YAML 9.9\n", "<<: *a\n",
        "null", "true", "99999999999999999999", "-1", "10.0.0.0/99", "::1", "\u2028", "\ud800", "? ", ",",
    ];

    [SkippableTheory]
    [Trait("Category", "Fuzz")]
    [InlineData("bookinfo-waypoint")]
    [InlineData("policies")]
    [InlineData("peer-authentication")]
    [InlineData("service-entries")]
    [InlineData("services")]
    [InlineData("waypoints")]
    public void Manifests_Mutated_AreReadOrReported(string name)
    {
        var original = File.ReadAllText(GoldenFolder.Require("mesh", name, "input.yaml"));
        Mutate(original, rounds: 150, text =>
        {
            var load = ManifestLoader.LoadText("fuzz.yaml", text);
            if (load.Errors.Count == 0)
            {
                MeshTranslator.Translate(load.Objects, new TranslationOptions());
            }

            AssertPlaces(load.Errors);
        });
    }

    [SkippableFact]
    [Trait("Category", "Fuzz")]
    public void LocalConfig_Mutated_IsReadOrReported()
    {
        var original = File.ReadAllText(GoldenFolder.Require("ztunnel", "local.yaml"));
        Mutate(original, rounds: 400, text =>
        {
            var errors = new ConfigurationErrors { File = "fuzz.yaml" };
            new LocalConfigReader(errors).Read(() => new StringReader(text));
            AssertPlaces(errors);
        });
    }

    private static void AssertPlaces(ConfigurationErrors errors)
    {
        Assert.All(errors.Items, error =>
        {
            Assert.Equal("fuzz.yaml", error.File);
            Assert.NotEmpty(error.Message);
        });
    }

    private static void Mutate(string original, int rounds, Action<string> read)
    {
        var lines = original.Split('\n');
        FuzzBudget.Run(rounds, random =>
        {
            // A window keeps a round short and moves the damage through the whole file.
            var start = random.Next(Math.Max(1, lines.Length - 120));
            var mutated = Damage.Of(string.Join('\n', lines.Skip(start).Take(120)), random, Fragments);
            try
            {
                read(mutated);
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"{e}\n--- text ---\n{mutated}");
            }
        });
    }
}
