using System.Text.RegularExpressions;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Tls;

public sealed partial class WideAesGcmTests
{
    [Theory]
    [InlineData(0x3000_0130, true, true)]
    [InlineData(0x300F_0FF0, true, true)]
    [InlineData(0x3000_0130, false, false)]
    [InlineData(0x3010_0000, true, false)]
    [InlineData(0x3050_0010, true, false)]
    [InlineData(0x4000_0000, true, false)]
    public void Advice_IsGivenWhereTheProcessorCouldDoMore(long version, bool isInProcessor, bool given)
    {
        var advice = WideAesGcm.AdviceFor(version, "OpenSSL 9.9.9", isInProcessor);

        Assert.Equal(given, advice is not null);
        if (given)
        {
            Assert.StartsWith("OpenSSL 9.9.9 does not use", advice, StringComparison.Ordinal);
            Assert.Contains("OpenSSL 3.1 or later", advice, StringComparison.Ordinal);
        }
    }

    [SkippableFact]
    public void Processor_IsAsTheKernelSees()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "reads /proc/cpuinfo");
        var flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(static line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? [];

        Assert.Equal(new[] { "avx512f", "avx512bw", "avx512vl", "vaes", "vpclmulqdq" }.All(flags.Contains), WideAesGcm.IsInProcessor);
    }

    [Fact]
    public void Version_IsTheOneInTheName()
    {
        var match = Version().Match(OpenSsl.Version);
        Assert.True(match.Success, OpenSsl.Version);
        var parts = match.Groups.Values.Skip(1).Select(static group => long.Parse(group.Value, System.Globalization.CultureInfo.InvariantCulture)).ToArray();

        Assert.Equal((parts[0] << 28) | (parts[1] << 20) | (parts[2] << 4), OpenSsl.Number & ~0xfL);
    }

    [Fact]
    public void EachEngine_NamesOpenSslsVersion()
    {
        Assert.Equal($"{OpenSsl.Version}, called directly", Engines.Native.Description);
        Assert.Equal($"SslStream over {OpenSsl.Version}", Engines.Managed.Description);
        Assert.Equal(WideAesGcm.AdviceFor(OpenSsl.Number, OpenSsl.Version, WideAesGcm.IsInProcessor), HboneTls.Advice);
    }

    [GeneratedRegex(@"^OpenSSL (\d+)\.(\d+)\.(\d+)")]
    private static partial Regex Version();
}
