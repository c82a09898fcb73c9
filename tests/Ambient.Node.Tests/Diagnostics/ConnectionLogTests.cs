using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Tests.Diagnostics;

public sealed class ConnectionLogTests
{
    private const string Fields =
        "src.addr=10.77.0.2:44892 src.workload=\"sleep\" src.namespace=\"default\" src.identity=\"spiffe://cluster.local/ns/default/sa/sleep\" src.cluster=\"Kubernetes\" "
        + "dst.addr=10.77.0.3:15008 dst.hbone_addr=10.77.0.3:8080 dst.service=\"productpage.default.svc.cluster.local\" dst.workload=\"productpage-v1\" dst.namespace=\"default\" "
        + "dst.identity=\"spiffe://cluster.local/ns/default/sa/bookinfo-productpage\" dst.cluster=\"Kubernetes\" direction=\"outbound\"";

    [Fact]
    public void Completed_Plain_IsTheReferencesLine()
    {
        var kit = new DiagnosticsKit();

        new ConnectionLog(kit.Loggers).Completed(DiagnosticsKit.Outbound, 81, 1174, TimeSpan.FromMilliseconds(69.9), null);

        Assert.Equal($"2026-11-23T09:01:03.618988Z\tinfo\taccess\tconnection complete\t{Fields} bytes_sent=81 bytes_recv=1174 duration=\"69ms\"\n", kit.Text());
    }

    [Fact]
    public void Completed_Json_IsOneFlatObjectInTheSameOrder()
    {
        var kit = new DiagnosticsKit(LogFormat.Json);

        new ConnectionLog(kit.Loggers).Completed(DiagnosticsKit.Outbound, 0, 0, TimeSpan.Zero, "http status: 401 Unauthorized");

        using var line = JsonDocument.Parse(kit.Text());
        Assert.Equal(
            ["level", "time", "scope", "message", "src.addr", "src.workload", "src.namespace", "src.identity", "src.cluster", "dst.addr", "dst.hbone_addr", "dst.service", "dst.workload",
                "dst.namespace", "dst.identity", "dst.cluster", "direction", "bytes_sent", "bytes_recv", "duration", "error"],
            line.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Equal("error", line.RootElement.GetProperty("level").GetString());
        Assert.Equal(0, line.RootElement.GetProperty("bytes_sent").GetInt64());
    }

    [Fact]
    public void Failed_HasOnlyWhatIsKnown()
    {
        var kit = new DiagnosticsKit();

        new ConnectionLog(kit.Loggers).Failed(IPEndPoint.Parse("10.77.0.2:49124"), IPEndPoint.Parse("[::1]:80"), TrafficDirection.Outbound, "no healthy upstream: [::1]:80");

        Assert.EndsWith("\twarn\taccess\tconnection failed\tsrc.addr=10.77.0.2:49124 dst.addr=[::1]:80 direction=\"outbound\" error=\"no healthy upstream: [::1]:80\"\n", kit.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LogFormat.Plain)]
    [InlineData(LogFormat.Json)]
    public void PeersTexts_CannotForgeALine(LogFormat format)
    {
        var kit = new DiagnosticsKit(format);
        var parties = DiagnosticsKit.Outbound with
        {
            SourceWorkload = null,
            SourceBaggage = new PeerBaggage { CanonicalName = "a\"\n2026\tinfo\taccess\tforged", Namespace = "n\\\u0001", ClusterId = "\u2028" },
            HboneAddress = "evil\nhost:80",
        };

        new ConnectionLog(kit.Loggers).Completed(parties, 1, 2, TimeSpan.Zero, "line\r\nbreak");

        var text = kit.Text();
        Assert.Equal(1, text.Count(c => c == '\n'));
        Assert.DoesNotContain("\tforged", text, StringComparison.Ordinal);
        if (format == LogFormat.Json)
        {
            using var line = JsonDocument.Parse(text);
            Assert.Equal("a\"\n2026\tinfo\taccess\tforged", line.RootElement.GetProperty("src.workload").GetString());
        }
    }

    [Theory]
    [InlineData(LogFormat.Plain)]
    [InlineData(LogFormat.Json)]
    public void PeersTexts_OfAnyLength_AreCut(LogFormat format)
    {
        var kit = new DiagnosticsKit(format);
        var parties = DiagnosticsKit.Outbound with
        {
            SourceWorkload = null,
            SourceBaggage = new PeerBaggage { CanonicalName = new string('a', 60_000), Namespace = new string('b', 60_000), ClusterId = new string('c', 60_000) },
            HboneAddress = $"{new string('d', 60_000)}:80",
        };

        new ConnectionLog(kit.Loggers).Completed(parties, 1, 2, TimeSpan.Zero, new string('e', 60_000));

        var text = kit.Text();
        foreach (var letter in "abcde")
        {
            Assert.Contains(new string(letter, 1000), text, StringComparison.Ordinal);
            Assert.DoesNotContain(new string(letter, 1025), text, StringComparison.Ordinal);
        }

        Assert.InRange(text.Length, 5000, 8 * 1024);
    }

    [Theory]
    [InlineData("access=off", 0)]
    [InlineData("access=warn", 2)]
    [InlineData("error,access=info", 3)]
    [InlineData("debug", 4)]
    public void Levels_DecideWhatIsWritten(string filter, int lines)
    {
        var kit = new DiagnosticsKit(filter: filter);
        var log = new ConnectionLog(kit.Loggers);

        log.Opened(DiagnosticsKit.Outbound);
        log.Completed(DiagnosticsKit.Outbound, 1, 1, TimeSpan.Zero, null);
        log.Completed(DiagnosticsKit.Outbound, 1, 1, TimeSpan.Zero, "error");
        log.Failed(DiagnosticsKit.Outbound.Source, DiagnosticsKit.Outbound.Destination, TrafficDirection.Inbound, "error");

        Assert.Equal(lines, kit.Text().Count(c => c == '\n'));
    }

    [Fact]
    [Trait("Reference", "multi_threaded_writes")]
    public async Task Lines_OfManyThreads_AreWholeAndNoneIsLost()
    {
        var kit = new DiagnosticsKit();
        var log = new ConnectionLog(kit.Loggers);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                log.Completed(DiagnosticsKit.Outbound, i, i, TimeSpan.Zero, null);
            }
        })));

        var lines = kit.Text().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(8000, lines.Length);
        Assert.All(lines, line => Assert.EndsWith("duration=\"0ms\"", line, StringComparison.Ordinal));
        Assert.Equal(0, kit.Writer.Dropped);
    }

    [Fact]
    [Trait("Reference", "logs_dropped_if_lossy")]
    public async Task Writer_WhoseReaderIsStuck_DropsAndCountsInsteadOfStoppingTraffic()
    {
        var stuck = new StuckStream();
        var writer = new LogWriter(stuck);
        var line = new byte[64 * 1024];

        for (var i = 0; i < 2 + (2 * LogWriter.Capacity / line.Length); i++)
        {
            writer.Append(line);
        }

        Assert.True(writer.Dropped > 0);
        stuck.Release();
        await Task.Yield();
        writer.Flush();
        Assert.InRange(stuck.Written, 1, 2 * LogWriter.Capacity);
    }

    [Fact]
    public async Task Writer_WhoseReaderIsStuck_IsNotWaitedFor_ByAThreadThatMovesBytes()
    {
        var stuck = new StuckStream();
        var writers = new List<LogWriter>();
        var line = new byte[64 * 1024];
        var took = new TaskCompletionSource<(int Thread, TimeSpan Time)>();
        await using var server = new MessageServer(
            new OneRequest(() =>
            {
                // A wait takes a second whenever it is tried; a machine that is busy with other things does not.
                var quickest = TimeSpan.MaxValue;
                for (var tries = 0; tries < 10 && quickest >= TimeSpan.FromSeconds(1); tries++)
                {
                    var writer = new LogWriter(stuck);
                    writers.Add(writer);
                    var begun = Stopwatch.GetTimestamp();
                    for (var i = 0; i < 2 + (2 * LogWriter.Capacity / line.Length); i++)
                    {
                        writer.Append(line);
                    }

                    var elapsed = Stopwatch.GetElapsedTime(begun);
                    quickest = elapsed < quickest ? elapsed : quickest;
                }

                took.SetResult((HboneIo.CurrentThread, quickest));
            }),
            new MessageServerOptions(),
            TimeProvider.System);
        using var io = new HboneIo(1);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndPoint!);
        var serving = server.ServeAsync(MessageChannel.Over(await listener.AcceptAsync(), io), null, null, CancellationToken.None);
        await Task.Delay(50);

        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());

        var (thread, time) = await took.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(0, thread);
        Assert.All(writers, writer => Assert.True(writer.Dropped > 0));
        Assert.True(time < TimeSpan.FromSeconds(1), $"it waited {time}");
        client.Close();
        stuck.Release();
        await serving;
        writers.ForEach(writer => writer.Dispose());
    }

    [Theory]
    [InlineData(LogFormat.Plain, "\twarn\tlog\t{0} lines were dropped because the reader of the log did not keep up")]
    [InlineData(LogFormat.Json, "\"level\":\"warn\",")]
    public void DroppedLines_AreCountedOneByOne_AndToldOfOnceTheReaderMoves(LogFormat format, string told)
    {
        var stuck = new StuckStream();
        using var writer = new LogWriter(stuck);
        Assert.True(LogFilter.TryParse("info", out var filter, out _));
        using var loggers = new HostLoggerFactory(writer, format, filter, TimeProvider.System);
        var registry = new MetricRegistry();
        ProcessMetrics.AddTo(registry, "test", "unknown", () => writer.Dropped);
        var logger = loggers.CreateLogger("Test");
        var large = new string('x', 30_000);
        const int Lines = 150;

        // The thread that writes has taken nothing, or whatever was there when it woke: the rest fills what may wait, and more than that.
        for (var i = 0; i < Lines; i++)
        {
            logger.Log(Microsoft.Extensions.Logging.LogLevel.Information, 0, large, null, static (text, _) => text);
        }

        var dropped = writer.Dropped;
        Assert.InRange(dropped, 1, Lines);
        Assert.Contains($"\nambient_log_lines_dropped_total {dropped}\n", registry.Text(), StringComparison.Ordinal);

        stuck.Release();
        logger.Log(Microsoft.Extensions.Logging.LogLevel.Information, 0, "after", null, static (text, _) => text);
        writer.Flush();

        var lines = stuck.Text().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(Lines - dropped, lines.LongCount(line => line.Contains(large, StringComparison.Ordinal)));
        var notice = Assert.Single(lines, static line => line.Contains("were dropped", StringComparison.Ordinal));
        Assert.Contains($"{dropped} lines were dropped", notice, StringComparison.Ordinal);
        Assert.Contains(told.Replace("{0}", dropped.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal), notice, StringComparison.Ordinal);
        Assert.Equal(dropped, writer.Dropped);
    }

    private sealed class OneRequest(Action handle) : IMessageHandler
    {
        public ValueTask HandleAsync(ServerExchange exchange)
        {
            handle();
            return default;
        }

        public void OnRefused(in MessageRefusal refusal)
        {
        }

        public void OnFailed(ServerExchange exchange, Exception failure)
        {
        }
    }

    private sealed class StuckStream : MemoryStream
    {
        private readonly ManualResetEventSlim _released = new();

        public long Written { get; private set; }

        public void Release() => _released.Set();

        public string Text()
        {
            lock (_released)
            {
                return System.Text.Encoding.UTF8.GetString(ToArray());
            }
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            _released.Wait();
            lock (_released)
            {
                Written += count;
                base.Write(buffer, offset, count);
            }
        }
    }
}
