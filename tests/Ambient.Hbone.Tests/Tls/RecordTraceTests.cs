using System.Text.Json;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>
/// The traces of RFC 8448, sections 3 to 7: each protected record, of handshakes too, is opened and made again. Of section 4 only the records of early data
/// are here: its others, in the copy that they were taken from, do not fit the messages stated beside them. The secrets follow from the keys and messages
/// that are published with the records (RFC 8446 section 7.1).
/// </summary>
public sealed class RecordTraceTests
{
    private static readonly JsonElement s_traces = Read();

    public static TheoryData<int, string, string> Flows
    {
        get
        {
            var flows = new TheoryData<int, string, string>();
            foreach (var (section, flow) in All())
            {
                flows.Add(section, flow.GetProperty("keys").GetString()!, flow.GetProperty("by").GetString()!);
            }

            return flows;
        }
    }

    [Theory]
    [MemberData(nameof(Flows))]
    public void Records_AreOpenedAndMadeAgain(int section, string keys, string by)
    {
        var flow = All().Single(one => one.Section == section && one.Flow.GetProperty("keys").GetString() == keys && one.Flow.GetProperty("by").GetString() == by).Flow;
        var secret = Bytes(flow, "secret");
        using var seal = new RecordCipher(CipherSuite.Aes128, secret, encrypts: true);
        using var open = new RecordCipher(CipherSuite.Aes128, secret, encrypts: false);
        foreach (var published in flow.GetProperty("records").EnumerateArray())
        {
            var (type, content, record) = (published.GetProperty("type").GetByte(), Bytes(published, "content"), Bytes(published, "record"));

            var inner = new byte[content.Length + 1];
            Assert.True(open.TryOpen(record, inner, []));
            Assert.Equal([.. content, type], inner);

            var made = new byte[content.Length + 22];
            Assert.Equal(made.Length, seal.Seal(type, content, made));
            Assert.Equal(record, made);
        }
    }

    [Fact]
    public void Traces_AreWhole()
    {
        Assert.Equal([3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7], All().Select(static one => one.Section));
        var types = All().SelectMany(static one => one.Flow.GetProperty("records").EnumerateArray()).Select(static record => record.GetProperty("type").GetInt32()).ToArray();

        // Alerts, messages of handshakes, and application data.
        Assert.Equal([21, 22, 23], types.Distinct().Order());
        Assert.Equal(21, types.Length);
    }

    private static IEnumerable<(int Section, JsonElement Flow)> All() =>
        from trace in s_traces.EnumerateArray() from flow in trace.GetProperty("flows").EnumerateArray() select (trace.GetProperty("section").GetInt32(), flow);

    private static byte[] Bytes(JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString()!);

    private static JsonElement Read()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Tls", "rfc8448-traces.json")));
        return file.RootElement.Clone();
    }
}
