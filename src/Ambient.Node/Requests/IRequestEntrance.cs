namespace Ambient.Node.Requests;

/// <summary>What differs between the ways into the pipeline: waypoint and ingress gateway.</summary>
internal interface IRequestEntrance
{
    /// <summary>Which headers are added, kept and removed.</summary>
    HeaderRules Headers { get; }

    /// <summary>Says who sent a request and which place it arrived at.</summary>
    /// <param name="connection">What the connection that it came on is served with.</param>
    RequestArrival Arrive(object? connection);

    /// <summary>The place that a request came to, as the newest snapshot has it; null when it is gone.</summary>
    RequestPlace? Find(in RequestArrival arrival);
}
