using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Tests.Hosting;

public sealed class WorkerThreadsTests
{
    [Theory]
    [Trait("Reference", "test_parse_worker_threads")]
    [InlineData("4", 16, 0, 0, 4)]
    [InlineData("0", 16, 2, 2, 16)]
    [InlineData("50%", 16, 0, 0, 8)]
    [InlineData("50%", 3, 0, 0, 2)]
    [InlineData("1%", 16, 0, 0, 1)]
    [InlineData("200%", 4, 0, 0, 8)]
    [InlineData("3", 16, 8, 8, 3)]
    [InlineData(null, 16, 8, 4, 8)]
    [InlineData(null, 16, 1, 4, 4)]
    [InlineData(null, 1, 0, 0, 2)]
    [InlineData(null, 16, 0, 0, 4)]
    [InlineData(null, 17, 0, 0, 5)]
    [InlineData(null, 16, 0, 6, 6)]
    public void Choose_TakesWhatWasAskedElseLimitElseShare(string? asked, int cores, int limit, int request, int threads) =>
        Assert.Equal(threads, WorkerThreads.Choose(asked, cores, limit, request));

    [Theory]
    [InlineData("many")]
    [InlineData("-1")]
    [InlineData("%")]
    [InlineData("5%%")]
    [InlineData("100000")]
    public void Read_WhatIsNoNumber_IsAnErrorThatNamesTheVariable(string asked)
    {
        var variables = new VariableReader(new Dictionary<string, string> { ["ZTUNNEL_WORKER_THREADS"] = asked });

        Assert.Equal(2, WorkerThreadsVariable.Read(variables, 4));

        Assert.Contains("ZTUNNEL_WORKER_THREADS", Assert.Single(variables.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_SharesAreOfTheCpuLimit()
    {
        var variables = new VariableReader(new Dictionary<string, string> { ["ZTUNNEL_WORKER_THREADS"] = "50%", ["ZTUNNEL_CPU_LIMIT"] = "8" });

        Assert.Equal(4, WorkerThreadsVariable.Read(variables, 64));
        Assert.Empty(variables.Errors);
    }
}
