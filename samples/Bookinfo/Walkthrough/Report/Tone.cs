namespace Ambient.Samples.Bookinfo.Walkthrough.Report;

/// <summary>What kind of line it is: decides its colour.</summary>
internal enum Tone
{
    Plain,
    Title,
    Apply,
    Faint,
    Good,
    Pass,
    Fail,
}
