namespace Ambient.Node.Requests.Upstreams;

/// <summary>The backend has no endpoint that could take the request.</summary>
internal sealed class NoHealthyUpstreamException() : Exception("no healthy upstream");
