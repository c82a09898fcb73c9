namespace Ambient.Node.Capture.InPod;

/// <summary>A pod as the admin endpoint shows it.</summary>
/// <param name="Uid">UID.</param>
/// <param name="Info">Who it is.</param>
/// <param name="Owner">What its connections belong to while its proxy is up; null while it waits for it.</param>
internal sealed record PodState(string Uid, PodInfo Info, object? Owner);
