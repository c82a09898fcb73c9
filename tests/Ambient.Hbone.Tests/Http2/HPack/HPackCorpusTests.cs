using System.Text.Json;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

/// <summary>
/// Header blocks that other people's encoders have made, from https://github.com/http2jp/hpack-test-case: of each encoder three stories, whose blocks
/// share a table.
/// </summary>
public class HPackCorpusTests
{
    private static readonly JsonElement s_corpus = Load();

    public static TheoryData<string, string> Stories
    {
        get
        {
            var stories = new TheoryData<string, string>();
            foreach (var encoder in s_corpus.GetProperty("blocks").EnumerateObject())
            {
                foreach (var story in encoder.Value.EnumerateObject())
                {
                    stories.Add(encoder.Name, story.Name);
                }
            }

            return stories;
        }
    }

    [Fact]
    public void Corpus_IsWhole() => Assert.Equal(42, Stories.Count);

    [Theory]
    [MemberData(nameof(Stories))]
    public void Story_IsDecoded(string encoder, string story)
    {
        var blocks = s_corpus.GetProperty("blocks").GetProperty(encoder).GetProperty(story);
        var headers = HeadersOf(story);
        var limit = blocks.EnumerateArray().Max(static block => block[0].GetInt32());
        var decoder = new HPackDecoder(limit);
        foreach (var (block, expected) in blocks.EnumerateArray().Zip(headers))
        {
            Assert.Equal(expected, HeaderList.Decode(decoder, Convert.FromHexString(block[1].GetString()!)));
        }
    }

    [Theory]
    [InlineData("03")]
    [InlineData("15")]
    [InlineData("24")]
    public void Story_IsEncoded_SoThatItReadsTheSame(string story)
    {
        var encoder = new HPackEncoder();
        var decoder = new HPackDecoder();
        var indexing = new[] { HeaderIndexing.Incremental, HeaderIndexing.Without, HeaderIndexing.Never };
        var next = 0;
        foreach (var headers in HeadersOf(story))
        {
            var block = HPackBlocks.Encode(encoder, [.. headers.Select(header => (header.Name, header.Value, indexing[next++ % indexing.Length]))]);
            Assert.Equal(headers, HeaderList.Decode(decoder, block));
        }
    }

    private static List<List<(string Name, string Value)>> HeadersOf(string story) =>
        [.. s_corpus.GetProperty("headers").GetProperty(story).EnumerateArray().Select(static list =>
            list.EnumerateArray().Select(static header => (header[0].GetString()!, header[1].GetString()!)).ToList())];

    private static JsonElement Load()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Http2", "HPack", "hpack-test-case.json")));
        return file.RootElement.Clone();
    }
}
