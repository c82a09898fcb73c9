using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// A regular expression from configuration, matched against the whole of a value from a client. Linear in time whatever
/// the two of them say: the non-backtracking engine, bounded in length, with a time limit behind it.
/// </summary>
internal sealed class BoundedRegex
{
    private const int MaxPatternLength = 4096;
    private const int MaxValueLength = 16 * 1024;
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMilliseconds(250);

    private readonly Regex _regex;

    private BoundedRegex(Regex regex) => _regex = regex;

    /// <summary>Reads a pattern; false when it is not a regular expression, or not one that runs in linear time.</summary>
    internal static bool TryParse(string pattern, [NotNullWhen(true)] out BoundedRegex? regex)
    {
        regex = null;
        if (pattern.Length > MaxPatternLength || !Re2Pattern.TryTranslate(pattern, out var translated))
        {
            return false;
        }

        try
        {
            regex = new BoundedRegex(new Regex($"^(?:{translated})\\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeLimit));
            return true;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>Whether the whole value matches. A value that is too long or takes too long does not.</summary>
    internal bool IsMatch(string value)
    {
        try
        {
            return value.Length <= MaxValueLength && _regex.IsMatch(value);
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
    }

    /// <summary>
    /// A text in which each find of a pattern is replaced; <c>\1</c> to <c>\9</c> stand for its groups (RE2's way of writing). The text as it was where
    /// the pattern cannot be used.
    /// </summary>
    internal static string Replace(string pattern, string value, string replacement)
    {
        if (pattern.Length > MaxPatternLength || value.Length > MaxValueLength || !Re2Pattern.TryTranslate(pattern, out var translated))
        {
            return value;
        }

        try
        {
            var written = replacement.Replace("$", "$$", StringComparison.Ordinal);
            for (var group = 0; group <= 9; group++)
            {
                written = written.Replace($"\\{group}", $"${{{group}}}", StringComparison.Ordinal);
            }

            return Regex.Replace(value, translated, written, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeLimit);
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException or RegexMatchTimeoutException)
        {
            return value;
        }
    }
}
