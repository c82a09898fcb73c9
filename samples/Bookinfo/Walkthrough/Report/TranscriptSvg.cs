using System.Globalization;
using System.Net;
using System.Text;

namespace Ambient.Samples.Bookinfo.Walkthrough.Report;

/// <summary>Draws a transcript as the terminal showed it, for the documentation.</summary>
internal static class TranscriptSvg
{
    private const int LineHeight = 19;
    private const double CharacterWidth = 7.85;
    private const int Columns = 132;

    /// <summary>The picture. Long lines are cut as a narrow terminal would cut them.</summary>
    public static string Draw(IReadOnlyList<(Tone Tone, string Label, string Text)> transcript)
    {
        var width = (int)(Columns * CharacterWidth) + 48;
        var height = (transcript.Count * LineHeight) + 64;
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="Output of ./build.sh demo">
            <rect width="100%" height="100%" rx="10" fill="#14181f"/>
            <g fill="#3b4252"><circle cx="22" cy="20" r="6"/><circle cx="42" cy="20" r="6"/><circle cx="62" cy="20" r="6"/></g>
            <text x="{width / 2}" y="25" fill="#8b95a7" text-anchor="middle" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13">./build.sh demo</text>
            <g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">

            """);
        var y = 56;
        foreach (var (tone, label, text) in transcript)
        {
            var line = tone == Tone.Title ? text : $"  {label,-6} {text}";
            if (line.Length > Columns)
            {
                line = $"{line[..(Columns - 1)]}…";
            }

            if (!string.IsNullOrWhiteSpace(line))
            {
                svg.Append(CultureInfo.InvariantCulture, $"<text x=\"20\" y=\"{y}\" fill=\"{Color(tone)}\"{(tone is Tone.Title or Tone.Pass or Tone.Fail ? " font-weight=\"bold\"" : "")}>{WebUtility.HtmlEncode(line)}</text>\n");
            }

            y += LineHeight;
        }

        svg.Append("</g>\n</svg>\n");
        return svg.ToString();
    }

    private static string Color(Tone tone) => tone switch
    {
        Tone.Title => "#7fd1e0",
        Tone.Apply => "#e5c07b",
        Tone.Faint => "#8b95a7",
        Tone.Good => "#8fc98a",
        Tone.Pass => "#7ee787",
        Tone.Fail => "#ff7b72",
        _ => "#d7dce5",
    };
}
