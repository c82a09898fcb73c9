using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Process;

namespace Ambient.Node.Tests.Hosting;

public sealed class HostProcessTests
{
    [Fact]
    public void ReasonsOf_ConfigurationWithManyErrors_AreOneLineEach()
    {
        var failure = new MeshSourceException(
            "LOCAL_XDS has errors (2)",
            [new ConfigurationError("LOCAL_XDS", 1, 1, "x", "", "unknown field"), new ConfigurationError("LOCAL_XDS", 2, 1, "y", "", "unknown field")]);

        var reasons = HostProcess.ReasonsOf(failure);

        Assert.Equal(3, reasons.Length);
        Assert.StartsWith("LOCAL_XDS:2:1", reasons[2], StringComparison.Ordinal);
        Assert.All(reasons, reason => Assert.DoesNotContain('\n', reason));
    }
}
