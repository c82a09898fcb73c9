namespace Ambient.Hbone.Tests.Http1;

/// <summary>Every case of the three tables: whole, byte by byte, and split at every offset, always with the same outcome.</summary>
public sealed class Http1CasesTests
{
    [Fact]
    public void Requests_are_taken_or_refused_as_the_table_says() =>
        Check(RequestCases.All.Select(c => (c.Text, c.Outcome, (Func<byte[], int[], string>)((bytes, sizes) => RequestCases.Outcome(bytes, sizes)))));

    [Fact]
    public void Responses_are_taken_or_refused_as_the_table_says() =>
        Check(ResponseCases.All.Select(c => (c.Text, c.Outcome, (Func<byte[], int[], string>)((bytes, sizes) => ResponseCases.Outcome(bytes, c.Method, sizes)))));

    [Fact]
    public void Chunked_bodies_are_taken_or_refused_as_the_table_says() =>
        Check(ChunkedCases.All.Select(c => (c.Text, c.Outcome, (Func<byte[], int[], string>)((bytes, sizes) => ChunkedCases.Outcome(bytes, sizes)))));

    private static void Check(IEnumerable<(string Text, string Outcome, Func<byte[], int[], string> Read)> cases)
    {
        var wrong = new List<string>();
        foreach (var (text, outcome, read) in cases)
        {
            var bytes = Heads.Bytes(text);
            var ways = new List<int[]> { Array.Empty<int>() };
            ways.AddRange(Enumerable.Range(1, Math.Max(bytes.Length, 1)).Select(at => new[] { at, bytes.Length }));
            ways.Add([1]);
            wrong.AddRange(ways.Select(sizes => (Sizes: sizes, Outcome: read(bytes, sizes))).Where(way => way.Outcome != outcome).Take(1)
                .Select(way => $"{text.Replace("\r", "\\r").Replace("\n", "\\n")}: {way.Outcome} instead of {outcome}, in pieces of {string.Join(",", way.Sizes)}"));
        }

        Assert.Empty(wrong);
    }
}
