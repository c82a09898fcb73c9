using System.Globalization;
using System.Text;
using System.Text.Json;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Tests.Http2.Messages;

namespace Ambient.Hbone.Tests.Http2.Framing;

/// <summary>
/// The frames of https://github.com/http2jp/http2-frame-test-case: what is right is read, and written again, byte for byte; what is wrong fails with a
/// code that the case allows, and as it does in a connection.
/// </summary>
public class Http2FrameCorpusTests
{
    // "Default setting values", as the corpus asks.
    private const int MaxFrameSize = 16 * 1024;

    private static readonly JsonElement[] s_cases = Load();

    public static TheoryData<string> Right => [.. s_cases.Where(static one => !IsWrong(one)).Select(NameOf)];

    public static TheoryData<string> Wrong => [.. s_cases.Where(IsWrong).Select(NameOf)];

    [Fact]
    public void Corpus_IsWhole() => Assert.Equal((12, 22), (Right.Count, Wrong.Count));

    [Theory]
    [MemberData(nameof(Right))]
    public void RightFrame_IsReadAndWritten(string name)
    {
        var (wire, frame, header) = Read(name);
        Assert.Equal(
            (frame.GetProperty("length").GetInt32(), frame.GetProperty("type").GetInt32(), frame.GetProperty("flags").GetInt32(), frame.GetProperty("stream_identifier").GetInt32()),
            (header.Length, (int)header.Type, (int)header.Flags, header.StreamId));
        Assert.Equal(FrameHeader.Size + header.Length, wire.Length);
        if (header.Type == FrameType.PushPromise)
        {
            // We announce that nothing may be pushed, whatever it looks like (RFC 9113 section 8.4).
            Assert.Equal(Http2ErrorCode.ProtocolError, CodeOf(wire));
            return;
        }

        FrameRules.Check(header, MaxFrameSize);
        var payload = wire.AsSpan(FrameHeader.Size);
        var expected = frame.GetProperty("frame_payload");
        var written = new byte[wire.Length];
        int count;
        switch (header.Type)
        {
            case FrameType.Data:
                Assert.Equal(Text(expected, "data"), Encoding.ASCII.GetString(FramePayload.Data(header, payload)));
                Assert.Equal(expected.GetProperty("padding_length").GetInt32(), FramePayload.PadLength(header, payload[0]));
                return;
            case FrameType.Headers or FrameType.Continuation:
                var block = FramePayload.HeaderBlock(header, payload).ToArray();
                Assert.Equal(Text(expected, "header_block_fragment"), Encoding.ASCII.GetString(block));
                if (header.Type == FrameType.Continuation || header.HasFlag(FrameFlags.Padded))
                {
                    // Written as what goes before it asks for; and never padded.
                    return;
                }

                count = FrameWriter.WriteHeaderBlock(written, header.StreamId, block, endStream: false, MaxFrameSize);
                break;
            case FrameType.Priority:
                // Obsolete (RFC 9113 section 5.3): passed over, and never written.
                return;
            case FrameType.RstStream:
                var code = FramePayload.RstStream(payload);
                Assert.Equal(expected.GetProperty("error_code").GetInt32(), (int)code);
                count = FrameWriter.WriteRstStream(written, header.StreamId, code);
                break;
            case FrameType.Settings:
                var settings = expected.GetProperty("settings").EnumerateArray().Select(static pair => new Setting((SettingId)pair[0].GetInt32(), pair[1].GetUInt32())).ToArray();
                count = FrameWriter.WriteSettings(written, settings);
                break;
            case FrameType.Ping:
                var data = FramePayload.Ping(payload);
                count = FrameWriter.WritePing(written, data, ack: false);
                Assert.Equal(Text(expected, "opaque_data"), Encoding.ASCII.GetString(written, FrameHeader.Size, 8));
                break;
            case FrameType.GoAway:
                var (last, why) = FramePayload.GoAway(payload);
                Assert.Equal((expected.GetProperty("last_stream_id").GetInt32(), expected.GetProperty("error_code").GetInt32()), (last, (int)why));
                var debug = FramePayload.GoAwayDebug(payload);
                Assert.Equal(Text(expected, "additional_debug_data"), debug);
                count = FrameWriter.WriteGoAway(written, last, why, Encoding.ASCII.GetBytes(debug));
                break;
            case FrameType.WindowUpdate:
                var increment = FramePayload.WindowUpdate(header, payload);
                Assert.Equal(expected.GetProperty("window_size_increment").GetInt32(), increment);
                count = FrameWriter.WriteWindowUpdate(written, header.StreamId, increment);
                break;
            default:
                throw new InvalidOperationException($"{header.Type} is new in the corpus");
        }

        Assert.Equal(Convert.ToHexString(wire), Convert.ToHexString(written, 0, count));
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void WrongFrame_FailsWithACodeThatTheCaseAllows(string name)
    {
        var (wire, _, _) = Read(name);
        Assert.Contains((int)CodeOf(wire), CodesOf(name));
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task WrongFrame_EndsAConnectionOfOurServer(string name)
    {
        // No stream is open, so there is none that could be reset instead.
        var (wire, _, header) = Read(name);
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendRawAsync(wire);
        var end = await harness.Peer.ExpectAsync(static frame => frame.Type is FrameType.GoAway or FrameType.RstStream, "an error");
        Assert.Equal(FrameType.GoAway, end.Type);
        if (header.Length > MaxFrameSize)
        {
            // Our server has announced that it takes larger ones, so it is its stream that is wrong: nobody has opened it.
            Assert.Equal(Http2ErrorCode.ProtocolError, end.Code);
            return;
        }

        Assert.Contains((int)end.Code, CodesOf(name));
    }

    [Theory]
    [InlineData("push_promise/normal")]
    [InlineData("error/push_promise-frame-padding")]
    [InlineData("error/push_promise-frame-stream")]
    public async Task PushPromise_EndsAConnectionOfOurClient(string name)
    {
        await using var harness = await ClientHarness.StartAsync();
        await harness.Peer.SendRawAsync(Read(name).Wire);
        Assert.Equal(Http2ErrorCode.ProtocolError, (await harness.Peer.ExpectAsync(FrameType.GoAway)).Code);
    }

    private static Http2ErrorCode CodeOf(byte[] wire)
    {
        Assert.True(FrameHeader.TryRead(wire, out var header));
        var failure = Record.Exception(() =>
        {
            FrameRules.Check(header, MaxFrameSize);
            var payload = wire.AsSpan(FrameHeader.Size);
            switch (header.Type)
            {
                case FrameType.Data:
                    FramePayload.Data(header, payload);
                    break;
                case FrameType.Headers:
                    FramePayload.HeaderBlock(header, payload);
                    break;
                case FrameType.WindowUpdate:
                    FramePayload.WindowUpdate(header, payload);
                    break;
            }
        });
        return failure switch
        {
            Http2ConnectionException connection => connection.Code,
            Http2StreamException stream => stream.Code,
            _ => throw new InvalidOperationException($"{header} was taken", failure),
        };
    }

    private static (byte[] Wire, JsonElement Frame, FrameHeader Header) Read(string name)
    {
        var one = Find(name);
        var wire = Convert.FromHexString(one.GetProperty("wire").GetString()!);
        Assert.True(FrameHeader.TryRead(wire, out var header));
        return (wire, one.GetProperty("frame"), header);
    }

    private static IEnumerable<int> CodesOf(string name) => Find(name).GetProperty("error").EnumerateArray().Select(static code => code.GetInt32());

    private static JsonElement Find(string name) => s_cases.Single(one => NameOf(one) == name);

    private static string NameOf(JsonElement one) => Text(one, "name");

    private static bool IsWrong(JsonElement one) => one.GetProperty("error").ValueKind != JsonValueKind.Null;

    private static string Text(JsonElement of, string property) => of.GetProperty(property).GetString()!;

    private static JsonElement[] Load()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "Http2", "Framing", "http2-frame-test-case.json");
        using var file = JsonDocument.Parse(File.ReadAllText(path));
        return [.. file.RootElement.GetProperty("cases").Clone().EnumerateArray()];
    }
}
