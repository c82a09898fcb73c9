using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

/// <summary>The worked examples of RFC 7541 appendix C, byte for byte.</summary>
public class Rfc7541AppendixCTests
{
    [Theory]
    [InlineData("400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header")] // C.2.1
    [InlineData("040c2f73616d706c652f70617468", ":path: /sample/path")] // C.2.2
    [InlineData("100870617373776f726406736563726574", "password: secret")] // C.2.3
    [InlineData("82", ":method: GET")] // C.2.4
    public void Decode_SingleHeader_IsAsRecorded(string block, string header) =>
        Assert.Equal([header], Decode(new HPackDecoder(), block));

    [Fact]
    public void Decode_RequestsWithoutHuffman_AreAsRecorded() => Requests(
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565");

    [Fact]
    public void Decode_RequestsWithHuffman_AreAsRecorded() => Requests(
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf");

    [Fact]
    public void Decode_ResponsesWithoutHuffman_AreAsRecorded() => Responses(
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31");

    [Fact]
    public void Decode_ResponsesWithHuffman_AreAsRecorded() => Responses(
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007");

    [Fact]
    public void Encode_RequestsWithHuffman_AreAsRecorded()
    {
        var encoder = new HPackEncoder();
        Assert.Equal(
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            Encode(encoder, (":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")));
        Assert.Equal(
            "828684be5886a8eb10649cbf",
            Encode(encoder, (":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"), ("cache-control", "no-cache")));
        Assert.Equal(
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            Encode(encoder, (":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"), ("custom-key", "custom-value")));
    }

    private static void Requests(string first, string second, string third)
    {
        var decoder = new HPackDecoder();
        Assert.Equal([":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"], Decode(decoder, first));
        Assert.Equal([":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"], Decode(decoder, second));
        Assert.Equal([":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"], Decode(decoder, third));
    }

    private static void Responses(string first, string second, string third)
    {
        // C.5 and C.6 run with a table of 256 bytes, so that entries are evicted.
        var decoder = new HPackDecoder(256);
        const string Date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
        const string Location = "location: https://www.example.com";
        Assert.Equal([":status: 302", "cache-control: private", Date, Location], Decode(decoder, first));
        Assert.Equal([":status: 307", "cache-control: private", Date, Location], Decode(decoder, second));
        Assert.Equal(
            [
                ":status: 200", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:22 GMT", Location, "content-encoding: gzip",
                "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ],
            Decode(decoder, third));
    }

    private static string[] Decode(HPackDecoder decoder, string block) =>
        [.. HeaderList.Decode(decoder, Convert.FromHexString(block)).Select(header => $"{header.Name}: {header.Value}")];

    private static string Encode(HPackEncoder encoder, params (string Name, string Value)[] headers) =>
        Convert.ToHexStringLower(HPackBlocks.Encode(encoder, [.. headers.Select(header => (header.Name, header.Value, HeaderIndexing.Incremental))]));
}
