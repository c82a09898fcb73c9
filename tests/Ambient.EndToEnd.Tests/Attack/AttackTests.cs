using Ambient.Attack;
using Ambient.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Ambient.EndToEnd.Tests.Attack;

/// <summary>
/// The attacks of <c>./build.sh attack</c> in a short form, on the native host where there is one. The ports are a real ztunnel's, and others here have
/// them too, so nothing runs beside them; a machine that is busy with other things gets five tries, since what is measured is a ratio of times.
/// </summary>
[Collection(nameof(AttackTests))]
[CollectionDefinition(nameof(AttackTests), DisableParallelization = true)]
public sealed class AttackTests(ITestOutputHelper output)
{
    private const int Tries = 5;

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Host_UnderAttack_StaysSmallAndServesItsNeighbour(int number)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "memory is read from /proc");
        Skip.IfNot(PortsAreFree(), "something on this machine uses a ztunnel's ports");
        var native = Path.Combine(Repository.Root, "artifacts", "hosts", "ztunnel");
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var managed = Path.Combine(Repository.Root, "artifacts", "bin", "Ztunnel", configuration, "ztunnel");

        // The managed host is about 70 MB at rest, the native one 10: what an attack may add is the same.
        var options = File.Exists(native)
            ? new AttackOptions(native, Seconds: 3, QuietSeconds: 3, MaxResidentMegabytes: 64, Pin: false)
            : new AttackOptions(managed, Seconds: 3, QuietSeconds: 3, MaxResidentMegabytes: 124, Pin: false);

        for (var attempt = 1; ; attempt++)
        {
            var result = await AttackRun.RunAsync(number, options);
            output.WriteLine(result.ToString());
            if (result.Faults.Count == 0)
            {
                return;
            }

            Assert.True(attempt < Tries, result.ToString());
        }
    }

    private static bool PortsAreFree()
    {
        var used = System.Net.NetworkInformation.IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners();
        return !used.Any(endPoint => endPoint.Port is 15000 or 15020 or 15021 or 15008);
    }
}
