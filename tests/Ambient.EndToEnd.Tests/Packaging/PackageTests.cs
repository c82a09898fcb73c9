using System.Diagnostics;
using System.Text;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Steps;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Packaging;

/// <summary>
/// What a stranger gets: the packages that <c>./build.sh pack</c> writes, restored into a project outside the repository,
/// with a package cache of its own so that nothing older can stand in for them, running the README's quick start.
/// </summary>
public sealed class PackageTests(PackageTests.Packed packed) : IClassFixture<PackageTests.Packed>
{
    private static readonly string[] s_packages = ["Ambient.Core", "Ambient.Hbone", "Ambient.Policy", "Ambient.Node"];

    private readonly string _folder = packed.Folder;

    [SkippableFact]
    public async Task Packed_RestoredOutsideTheRepository_RunsTheReadmesQuickStart()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "build.sh is for Linux");
        var version = await packed.Version.Value;
        var project = WriteProject(version, "shop", ReadmeQuickStart.ReadFiles(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md"))));
        await RunAsync("dotnet", ["build", project, "-v", "quiet", "-tl:off", "-nodeReuse:false"], TimeSpan.FromMinutes(5), Variables());
        AssertCacheHolds(version);

        await using var shop = ChildProcess.Start(
            "shop", _folder, "bash", ["-c", "cd \"$0\" && exec dotnet out/shop.dll", Path.GetDirectoryName(project)!], Variables());
        const string Greeting = "hello spiffe://cluster.local/ns/default/sa/shop";
        var greeted = await Stage.UntilAsync(
            () => Task.FromResult(shop.HasExited || shop.Since(0).Contains(Greeting)), TimeSpan.FromSeconds(120), CancellationToken.None);

        Assert.True(greeted && shop.Since(0).Contains(Greeting), $"the quick start said:\n{string.Join('\n', shop.Since(0))}");
    }

    [SkippableFact]
    public async Task Packed_InANewcomersFirstHour_HasNoTraps()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "build.sh is for Linux");
        var program = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "tests", "Ambient.EndToEnd.Tests", "Packaging", "FirstHour", "Program.cs"));
        var version = await packed.Version.Value;
        var project = WriteProject(version, "hour", new Dictionary<string, string> { ["Program.cs"] = program });
        await RunAsync("dotnet", ["build", project, "-v", "quiet", "-tl:off", "-nodeReuse:false"], TimeSpan.FromMinutes(5), Variables());

        await using var hour = ChildProcess.Start("hour", _folder, "bash", ["-c", "cd \"$0\" && exec dotnet out/hour.dll", Path.GetDirectoryName(project)!], Variables());
        await Stage.UntilAsync(
            () => Task.FromResult(hour.HasExited || hour.Since(0).Contains("THE HOUR IS OVER")), TimeSpan.FromSeconds(240), CancellationToken.None);
        var said = hour.Since(0);

        Assert.True(said.Contains("THE HOUR IS OVER") && !said.Any(line => line.StartsWith("FAIL", StringComparison.Ordinal)), string.Join('\n', said));
        Assert.Equal(
            ["all-clients", "authorize", "bad-yaml", "drain", "folder", "handlers", "own-scheme", "probe-allow", "probe-strict", "replicas", "urls", "variables"],
            said.Where(line => line.StartsWith("PASS ", StringComparison.Ordinal)).Select(line => line[5..]).Order(StringComparer.Ordinal));
    }

    [SkippableFact]
    public async Task Packed_AsAZtunnelOfOnesOwn_CarriesConnectionsAndEnforcesPolicies()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "build.sh is for Linux");
        var program = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "tests", "Ambient.EndToEnd.Tests", "Packaging", "OwnZtunnel", "Program.cs"));
        var version = await packed.Version.Value;
        var project = WriteProject(version, "own", new Dictionary<string, string> { ["Program.cs"] = program });
        await RunAsync("dotnet", ["build", project, "-v", "quiet", "-tl:off", "-nodeReuse:false"], TimeSpan.FromMinutes(5), Variables());

        // To its end: a console logger writes its last lines after the program's own last word.
        var said = (await RunAsync("bash", ["-c", "cd \"$0\" && exec dotnet out/own.dll", Path.GetDirectoryName(project)!], TimeSpan.FromSeconds(120), Variables())).Split('\n');

        Assert.Equal(
            ["friend: hi", "stranger: refused", "STOPPED"],
            said.Where(line => line.StartsWith("friend:", StringComparison.Ordinal) || line.StartsWith("stranger:", StringComparison.Ordinal) || line == "STOPPED"));

        // By the application's own console logger.
        Assert.Contains(said, line => line.Contains("Ambient.Node.access", StringComparison.Ordinal));
    }

    [Fact]
    public void ReadFiles_OfTheReadme_FindsTheWholeQuickStart()
    {
        var files = ReadmeQuickStart.ReadFiles(File.ReadAllText(Path.Combine(Repository.Root, "README.md")));

        Assert.Equal(["Program.cs", "appsettings.json", "mesh/shop.yaml"], files.Keys);
        Assert.Contains("builder.AddAmbientMesh();", files["Program.cs"], StringComparison.Ordinal);
    }

    private static async Task<string> PackAsync()
    {
        await RunAsync("bash", [Path.Combine(Repository.Root, "build.sh"), "pack"], TimeSpan.FromMinutes(10), []);
        var folder = Path.Combine(Repository.Root, "artifacts", "packages");
        var versions = s_packages.Select(package => Path.GetFileNameWithoutExtension(Directory.GetFiles(folder, $"{package}.?.*.nupkg").Single())[(package.Length + 1)..]);
        Assert.All(s_packages, package => Assert.Single(Directory.GetFiles(folder, $"{package}.?.*.snupkg")));
        return Assert.Single(versions.Distinct());
    }

    private string WriteProject(string version, string name, IReadOnlyDictionary<string, string> files)
    {
        var project = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        foreach (var (path, text) in files)
        {
            var file = Path.Combine(project, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, text);
        }

        File.WriteAllText(Path.Combine(project, "nuget.config"), $"""
            <configuration>
              <packageSources>
                <clear />
                <add key="ambient" value="{Path.Combine(Repository.Root, "artifacts", "packages")}" />
                <add key="nuget.org" value="https://api.nuget.org/v3/index.json" />
              </packageSources>
              <packageSourceMapping>
                <packageSource key="ambient"><package pattern="Ambient.*" /></packageSource>
                <packageSource key="nuget.org"><package pattern="*" /></packageSource>
              </packageSourceMapping>
            </configuration>
            """);
        var csproj = Path.Combine(project, $"{name}.csproj");
        File.WriteAllText(csproj, $"""
            <Project Sdk="Microsoft.NET.Sdk.Web">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <OutputPath>out/</OutputPath>
                <AppendTargetFrameworkToOutputPath>false</AppendTargetFrameworkToOutputPath>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Ambient.Node" Version="[{version}]" />
              </ItemGroup>
            </Project>
            """);
        return csproj;
    }

    private void AssertCacheHolds(string version)
    {
        foreach (var package in s_packages)
        {
            var restored = Path.Combine(_folder, "packages", package.ToLowerInvariant(), version);
            Assert.True(Directory.Exists(restored), $"{package} {version} was not restored into the test's own cache");
        }
    }

    private Dictionary<string, string> Variables() => new()
    {
        ["NUGET_PACKAGES"] = Path.Combine(_folder, "packages"),
        ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
        // The test host's own settings must not become the project's.
        ["MSBUILDDISABLENODEREUSE"] = "1",
        ["ASPNETCORE_ENVIRONMENT"] = "Production",
    };

    private static async Task<string> RunAsync(string program, string[] arguments, TimeSpan limit, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        // A test host runs with MSBuild's variables set: a build of its own must not inherit them.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) && !environment.ContainsKey(name)).ToList())
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start)!;
        var said = new StringBuilder();
        var reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
        using var patience = new CancellationTokenSource(limit);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} took longer than {limit}:\n{said}");
        }

        await Task.WhenAny(reading, Task.Delay(TimeSpan.FromSeconds(30)));
        lock (said)
        {
            Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{said}");
            return said.ToString();
        }

        async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                lock (said)
                {
                    said.AppendLine(line);
                }
            }
        }
    }

    /// <summary>The packages, made once, and the folder that what is built from them shares.</summary>
    public sealed class Packed : IDisposable
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("ambient-quickstart-").FullName;

        public Lazy<Task<string>> Version { get; } = new(PackAsync);

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
