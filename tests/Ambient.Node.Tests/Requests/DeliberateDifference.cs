namespace Ambient.Node.Tests.Requests;

/// <summary>
/// A recorded request that is answered differently on purpose. Every one names a rule of docs/compatibility.md ("Requests: by rule"), which has the reason;
/// one that does not differ any more is an error.
/// </summary>
/// <param name="Case">The recorded case.</param>
/// <param name="Line">Its request, from 1: the line of <c>responses.jsonl</c>.</param>
/// <param name="Rule">Number of the rule.</param>
internal sealed record DeliberateDifference(string Case, int Line, int Rule)
{
    /// <summary>All of them. None is needed: what the rules are about was not recorded.</summary>
    public static IReadOnlyList<DeliberateDifference> All { get; } = [];

    /// <summary>The rules that a document has, by number: what they say and why, each row of its own.</summary>
    /// <param name="document">Text of docs/compatibility.md.</param>
    /// <exception cref="InvalidDataException">The tables are not there, or a row is not one.</exception>
    public static (IReadOnlyList<int> Rules, IReadOnlyList<(int Rule, string What, string Why)> Rows) Read(string document)
    {
        var begin = document.IndexOf("## Requests: by rule\n", StringComparison.Ordinal);
        var end = begin < 0 ? -1 : document.IndexOf("\n## ", begin + 1, StringComparison.Ordinal);
        if (end < 0)
        {
            throw new InvalidDataException("docs/compatibility.md has no chapter \"Requests: by rule\"");
        }

        var (rules, rows) = (new List<int>(), new List<(int, string, string)>());
        foreach (var line in document[begin..end].Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| Rule ", StringComparison.Ordinal)))
        {
            var cells = line.Trim('|', ' ').Split(" | ").Select(cell => cell.Trim()).ToArray();
            if (!int.TryParse(cells[0], out var number))
            {
                throw new InvalidDataException($"not a rule's number: {line}");
            }

            switch (cells)
            {
                case [_, { Length: > 0 }]:
                    rules.Add(number);
                    break;
                case [_, { Length: > 0 } what, { Length: > 0 }, { Length: > 0 }, { Length: > 0 } why]:
                    rows.Add((number, what, why));
                    break;
                default:
                    throw new InvalidDataException($"a rule has a number and a sentence, and its rows what, original, here and why: {line}");
            }
        }

        return (rules, rows);
    }
}
