using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>One CONNECT's headers, encoded and decoded on connections that have seen their like before; and frame headers.</summary>
[MemoryDiagnoser]
public class HPackBenchmarks
{
    private static readonly (byte[] Name, byte[] Value, HeaderIndexing Indexing)[] Headers =
    [
        (":method"u8.ToArray(), "CONNECT"u8.ToArray(), HeaderIndexing.Incremental),
        (":authority"u8.ToArray(), "10.77.0.3:8080"u8.ToArray(), HeaderIndexing.Incremental),
        ("baggage"u8.ToArray(), "k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=sleep,service.name=sleep,service.version=latest"u8.ToArray(), HeaderIndexing.Incremental),
        ("forwarded"u8.ToArray(), "for=\"10.77.0.2:43210\""u8.ToArray(), HeaderIndexing.Without),
        ("traceparent"u8.ToArray(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"u8.ToArray(), HeaderIndexing.Without),
    ];

    private readonly HPackEncoder _encoder = new();
    private readonly HPackDecoder _decoder = new();
    private readonly byte[] _buffer = new byte[1024];
    private readonly byte[] _block;
    private readonly byte[] _frames = new byte[64 * FrameHeader.Size];

    public HPackBenchmarks()
    {
        // The first block fills both tables; what is decoded over and over is the second.
        var sink = default(Counter);
        var first = Encode();
        _decoder.Decode(_buffer.AsSpan(0, first), ref sink);
        _block = _buffer.AsSpan(0, Encode()).ToArray();
        for (var i = 0; i < 64; i++)
        {
            new FrameHeader(1024, FrameType.Data, FrameFlags.None, (2 * i) + 1).Write(_frames.AsSpan(i * FrameHeader.Size));
        }
    }

    [Benchmark]
    public int Encode()
    {
        var written = _encoder.BeginBlock(_buffer);
        foreach (var (name, value, indexing) in Headers)
        {
            written += _encoder.WriteHeader(_buffer.AsSpan(written), name, value, indexing);
        }

        return written;
    }

    [Benchmark]
    public int Decode()
    {
        var sink = default(Counter);
        _decoder.Decode(_block, ref sink);
        return sink.Bytes;
    }

    [Benchmark(OperationsPerInvoke = 64)]
    public int ReadFrameHeaders()
    {
        var sum = 0;
        for (var i = 0; i < _frames.Length; i += FrameHeader.Size)
        {
            var header = FrameHeader.Read(_frames.AsSpan(i));
            FrameRules.Check(header, Http2Constants.MinMaxFrameSize);
            sum += header.Length;
        }

        return sum;
    }

    private struct Counter : IHeaderSink
    {
        public int Bytes;

        public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value) => Bytes += name.Length + value.Length;
    }
}
