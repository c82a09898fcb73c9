namespace Ambient.Attack;

/// <summary>An honest client of the host that is attacked.</summary>
internal interface INeighbour
{
    /// <summary>Measures until told to stop. Times in ms, by kind.</summary>
    Task<Dictionary<string, List<double>>> MeasureAsync(List<string> failures, CancellationToken stop);
}
