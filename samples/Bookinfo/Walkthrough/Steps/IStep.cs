namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>One step of the walkthrough: a change to the manifests, and what it must do to real requests.</summary>
internal interface IStep
{
    /// <summary>What the step is about.</summary>
    string Title { get; }

    /// <summary>Does it, telling and checking as it goes.</summary>
    Task RunAsync(Stage stage, CancellationToken cancellation);
}
