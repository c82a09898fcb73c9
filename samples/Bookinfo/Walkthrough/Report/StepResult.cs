namespace Ambient.Samples.Bookinfo.Walkthrough.Report;

/// <summary>How a step went.</summary>
internal sealed record StepResult(int Number, string Title, bool Passed, TimeSpan Elapsed);
