using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Ambient.Hbone.Http2.Framing;
using Ambient.Identity;
using Ambient.Testing;
using Ambient.Testing.Http2;

namespace Ambient.EndToEnd.Tests.Wire;

/// <summary>
/// What our ztunnel sends to a peer is what <c>golden/ztunnel/wire.client.jsonl</c> shows: two connections by one client
/// through SOCKS5, recorded by a server that decrypts them.
/// </summary>
[Trait("Category", "Golden")]
public sealed partial class WireClientTests
{
    private const string Network = "127.78.0";

    // The recording's client sent 81 bytes.
    private static readonly byte[] s_request = Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: productpage\r\n".PadRight(77, 'x') + "\r\n\r\n");

    [SkippableFact]
    public async Task Client_TwoConnectionsAndAShutdown_SendsWhatWasRecorded()
    {
        var recorded = (await File.ReadAllLinesAsync(GoldenFolder.Require("ztunnel", "wire.client.jsonl"))).Select(line => JsonNode.Parse(line)!.AsObject()).ToList();

        // Only sleep is on our node; the peer of the recording takes productpage's place.
        await using var ztunnel = await WireZtunnel.StartAsync(Network, static mesh => PutElsewhere(mesh, "productpage-v1"));
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Parse($"{Network}.3"), 15008));
        listener.Listen();
        var recording = RecordAsync(listener, ztunnel);
        await CallAsync();
        await CallAsync();
        var (events, pinged) = await recording.FirstPart.WaitAsync(WireZtunnel.Patience);
        await pinged.WaitAsync(WireZtunnel.Patience);
        await ztunnel.ShutDownAsync();
        await recording.Whole.WaitAsync(WireZtunnel.Patience);
        RecordedEvents.AssertEqual(Comparable(recorded), Comparable(events));
    }

    private static List<string> Comparable(IEnumerable<JsonObject> events) =>
        RecordedEvents.Normalise(events.Select(e =>
        {
            e = e.DeepClone().AsObject();
            if (e["data"] is not null)
            {
                e["data"] = "*";
            }

            foreach (var header in e["headers"]?.AsArray() ?? [])
            {
                header![1] = (string?)header[0] switch
                {
                    "traceparent" => TraceParent().Replace((string)header[1]!, "00-TRACE-SPAN-00"),
                    "forwarded" => Port().Replace(There((string)header[1]!), ":PORT\""),
                    _ => There((string)header[1]!),
                };
            }

            return e;
        }));

    private static string There(string text) => text.Replace(Network + ".", "10.77.0.", StringComparison.Ordinal);

    private static string PutElsewhere(string mesh, string workload)
    {
        var at = mesh.IndexOf($"name: {workload}", StringComparison.Ordinal);
        var node = mesh.IndexOf("node: local", at, StringComparison.Ordinal);
        return string.Concat(mesh.AsSpan(0, node), "node: elsewhere", mesh.AsSpan(node + "node: local".Length));
    }

    /// <summary>What the recording's client did: connect to the service, ask, read the answer, close.</summary>
    private static async Task CallAsync()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse($"{Network}.2"), 15080));
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        await stream.WriteAsync(new byte[] { 5, 1, 0 });
        var greeting = new byte[2];
        await stream.ReadExactlyAsync(greeting).AsTask().WaitAsync(WireZtunnel.Patience);
        await stream.WriteAsync(new byte[] { 5, 1, 0, 1, 10, 96, 0, 10, 9080 >> 8, 9080 & 0xff });
        var reply = new byte[10];
        await stream.ReadExactlyAsync(reply).AsTask().WaitAsync(WireZtunnel.Patience);
        Assert.Equal(0, reply[1]);
        await stream.WriteAsync(s_request);
        var answer = new MemoryStream();
        await stream.CopyToAsync(answer).WaitAsync(WireZtunnel.Patience);
        Assert.Equal("answer", Encoding.ASCII.GetString(answer.ToArray()));
        socket.Shutdown(SocketShutdown.Send);
    }

    private static (Task<(List<JsonObject> Events, Task Pinged)> FirstPart, Task Whole) RecordAsync(Socket listener, WireZtunnel ztunnel)
    {
        var first = new TaskCompletionSource<(List<JsonObject>, Task)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var whole = RunAsync();
        _ = whole.ContinueWith(task => first.TrySetException(task.Exception!.InnerExceptions), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return (first.Task, whole);

        async Task RunAsync()
        {
            var events = new List<JsonObject>();
            var pinged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var socket = await listener.AcceptAsync().WaitAsync(WireZtunnel.Patience);
            await using var tap = new FirstRecordStream(new NetworkStream(socket, ownsSocket: false));
            await using var tls = new SslStream(tap);
            var svid = ztunnel.Authority.Issue("default", "bookinfo-productpage");
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls13,
                ApplicationProtocols = [SslApplicationProtocol.Http2],
                ClientCertificateRequired = true,
                ServerCertificateContext = SslStreamCertificateContext.Create(svid.Leaf, [.. svid.Intermediates], offline: true),
                RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
            }).WaitAsync(WireZtunnel.Patience);
            events.Add(TlsEvent(tls, ClientHello.Parse(tap.First)));
            await using var peer = new RudePeer(tls, isClient: false) { Patience = WireZtunnel.Patience };
            await peer.ExpectPrefaceAsync();
            await peer.SendSettingsAsync((SettingId.MaxConcurrentStreams, 200));
            var ended = 0;
            while (await peer.ReadAsync() is { } frame)
            {
                if (RecordedEvents.Of(frame, peer) is { } e)
                {
                    events.Add(e);
                }

                await AnswerAsync(peer, frame);
                if (frame is { Type: FrameType.Data, EndStream: true } && ++ended == 2)
                {
                    first.SetResult((events, pinged.Task));
                }

                if (frame.Type == FrameType.Ping)
                {
                    pinged.TrySetResult();
                }
            }

            events.Add(new JsonObject { ["event"] = "eof" });
        }
    }

    private static async Task AnswerAsync(RudePeer peer, ReceivedFrame frame)
    {
        switch (frame.Type)
        {
            case FrameType.Settings when !frame.Header.HasFlag(FrameFlags.Ack):
                await peer.SendAsync(FrameType.Settings, FrameFlags.Ack, 0);
                break;
            case FrameType.Headers:
                await peer.SendHeadersAsync(frame.StreamId, false, (":status", "200"));
                break;
            case FrameType.Data when frame.Payload.Length == s_request.Length:
                await peer.SendDataAsync(frame.StreamId, "answer"u8.ToArray(), endStream: true);
                break;
            case FrameType.Ping when !frame.Header.HasFlag(FrameFlags.Ack):
                await peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, frame.Payload);
                break;
            default:
                break;
        }
    }

    private static JsonObject TlsEvent(SslStream tls, ClientHello hello) => new()
    {
        ["event"] = "tls",
        ["version"] = tls.SslProtocol == SslProtocols.Tls13 ? "TLSv1.3" : tls.SslProtocol.ToString(),
        ["cipher"] = tls.NegotiatedCipherSuite.ToString(),
        ["alpn"] = string.Join(',', hello.Protocols),
        ["sni"] = hello.ServerName,
        ["peer"] = new JsonArray([.. SvidSubjectUris(tls)]),
        ["offered"] = new JsonArray([.. hello.CipherSuites]),
    };

    private static JsonNode?[] SvidSubjectUris(SslStream tls)
    {
        using var leaf = new System.Security.Cryptography.X509Certificates.X509Certificate2(tls.RemoteCertificate!);
        var text = leaf.Extensions["2.5.29.17"]!.Format(false);
        return [.. text.Split(", ").Select(uri => (JsonNode?)uri["URI:".Length..])];
    }

    [GeneratedRegex("^00-[0-9a-f]{32}-[0-9a-f]{16}-00$")]
    private static partial Regex TraceParent();

    [GeneratedRegex(":[0-9]+\"")]
    private static partial Regex Port();

    /// <summary>Passes everything on, and keeps what was read first: the ClientHello.</summary>
    private sealed class FirstRecordStream(Stream inner) : Stream
    {
        private readonly MemoryStream _first = new();

        public byte[] First => _first.ToArray();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await inner.ReadAsync(buffer, cancellationToken);
            if (_first.Length < 16 * 1024)
            {
                _first.Write(buffer.Span[..count]);
            }

            return count;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override void Flush() => inner.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
