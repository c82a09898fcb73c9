using System.Text.RegularExpressions;

namespace Ambient.EndToEnd.Tests.Packaging;

/// <summary>The files of the README's quick start, taken from the README itself so that it cannot rot.</summary>
internal static partial class ReadmeQuickStart
{
    /// <summary>File contents by path.</summary>
    public static IReadOnlyDictionary<string, string> ReadFiles(string readme) =>
        Files().Matches(readme).ToDictionary(match => match.Groups["path"].Value, match => match.Groups["text"].Value);

    [GeneratedRegex("<!-- quickstart: (?<path>[^ ]+) -->\\n```[a-z]*\\n(?<text>.*?)\\n```", RegexOptions.Singleline)]
    private static partial Regex Files();
}
