using System.Diagnostics;

namespace Ambient.Samples.Bookinfo.Walkthrough.Report;

/// <summary>
/// Tells what happens, step by step: what is applied, what is tried, what came back, what was checked. Keeps the
/// transcript, for the picture in the documentation.
/// </summary>
internal sealed class Narrator(TextWriter output, bool colors)
{
    private readonly List<(Tone Tone, string Label, string Text)> _transcript = [];
    private readonly List<StepResult> _results = [];
    private readonly Lock _lock = new();
    private bool _passed;
    private long _started;
    private string _title = "";

    /// <summary>How the steps went so far.</summary>
    public IReadOnlyList<StepResult> Results => _results;

    /// <summary>Everything told so far.</summary>
    public IReadOnlyList<(Tone Tone, string Label, string Text)> Transcript
    {
        get
        {
            lock (_lock)
            {
                return [.. _transcript];
            }
        }
    }

    /// <summary>Begins a step.</summary>
    public void Begin(int number, int of, string title)
    {
        _title = title;
        _passed = true;
        _started = Stopwatch.GetTimestamp();
        Tell(Tone.Plain, "", "");
        Tell(Tone.Title, "", $"Step {number} of {of}: {title}");
    }

    /// <summary>Ends the step that was begun: passed when every check held.</summary>
    public void End()
    {
        var elapsed = Stopwatch.GetElapsedTime(_started);
        _results.Add(new StepResult(_results.Count + 1, _title, _passed, elapsed));
        Tell(_passed ? Tone.Pass : Tone.Fail, _passed ? "PASS" : "FAIL", $"{_title} ({elapsed.TotalSeconds:F1} s)");
    }

    /// <summary>A change to the manifest folder.</summary>
    public void Apply(string text) => Tell(Tone.Apply, "apply", text);

    /// <summary>A request, or anything else that is done to the mesh.</summary>
    public void Try(string text) => Tell(Tone.Plain, "try", text);

    /// <summary>What came back.</summary>
    public void Came(string text) => Tell(Tone.Plain, "came", text);

    /// <summary>What logs, metrics or the wire show.</summary>
    public void Seen(string text) => Tell(Tone.Faint, "seen", text);

    /// <summary>Something worth knowing.</summary>
    public void Note(string text) => Tell(Tone.Faint, "", text);

    /// <summary>A claim of this step, and whether it held.</summary>
    public bool Check(bool holds, string claim)
    {
        _passed &= holds;
        Tell(holds ? Tone.Good : Tone.Fail, holds ? "ok" : "NOT OK", claim);
        return holds;
    }

    /// <summary>A line of a table.</summary>
    public void Row(string text) => Tell(Tone.Plain, "", text);

    /// <summary>A heading outside the steps.</summary>
    public void Heading(string text)
    {
        Tell(Tone.Plain, "", "");
        Tell(Tone.Title, "", text);
    }

    /// <summary>A verdict outside the steps.</summary>
    public void Verdict(bool passed, string text) => Tell(passed ? Tone.Pass : Tone.Fail, "", text);

    private void Tell(Tone tone, string label, string text)
    {
        lock (_lock)
        {
            _transcript.Add((tone, label, text));
            var (on, off) = colors ? (Code(tone), "\u001b[0m") : ("", "");
            output.WriteLine(tone switch
            {
                Tone.Title => $"{on}{text}{off}",
                _ when label.Length == 0 && text.Length == 0 => "",
                Tone.Pass or Tone.Fail or Tone.Good => $"  {on}{label,-6}{off} {text}",
                _ => $"  {on}{label,-6} {text}{off}",
            });
            output.Flush();
        }
    }

    private static string Code(Tone tone) => tone switch
    {
        Tone.Title => "\u001b[1;36m",
        Tone.Apply => "\u001b[33m",
        Tone.Faint => "\u001b[2m",
        Tone.Good => "\u001b[32m",
        Tone.Pass => "\u001b[1;32m",
        Tone.Fail => "\u001b[1;31m",
        _ => "",
    };
}
