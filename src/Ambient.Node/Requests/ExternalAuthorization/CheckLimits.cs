namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What questions to external authorizers may hold, so that one that hangs holds no more than that.</summary>
internal sealed record CheckLimits
{
    /// <summary>
    /// Questions to one authorizer that wait for an answer; one address may have as many as are left. Default 1024. The next one is not asked, and its request
    /// refused.
    /// </summary>
    public int MaxChecks { get; init; } = 1024;

    /// <summary>
    /// Bytes of requests' bodies that are held for questions, all together; one address may have as many as are left. Default 64 MiB. A question beyond it is
    /// not asked, and its request refused.
    /// </summary>
    public long MaxBodyBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Time for what is held of a body to come. Default 30 seconds.</summary>
    public TimeSpan BodyTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Bytes of an answer's body. Default 1 MiB. An authorizer that answers more has failed.</summary>
    public int MaxAnswerBytes { get; init; } = 1024 * 1024;

    /// <summary>Tries of one question, where no connection could be made, or one was closed while it idled. Default 3.</summary>
    public int MaxAttempts { get; init; } = 3;
}
