namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>How an endpoint fared. Counts are changed by <see cref="Interlocked"/>, the rest by the detector under its lock.</summary>
internal sealed class OutlierRecord
{
    /// <summary>Failures in a row.</summary>
    public int Failures;

    /// <summary>Answers 502, 503 and 504 in a row.</summary>
    public int GatewayFailures;

    /// <summary>Failures without an answer in a row.</summary>
    public int LocalFailures;

    /// <summary>Whether it is left out.</summary>
    public bool IsEjected;

    /// <summary>How often it was left out of late: the time grows with it, and it falls again while all is well.</summary>
    public int Multiplier { get; set; }

    /// <summary>How often it was left out at all.</summary>
    public int Ejections { get; set; }

    /// <summary>When it was left out last, or came back, as a timestamp.</summary>
    public long Changed { get; set; }

    /// <summary>Why it was left out last.</summary>
    public string Reason { get; set; } = "";
}
