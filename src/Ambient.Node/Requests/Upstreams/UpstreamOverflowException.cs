namespace Ambient.Node.Requests.Upstreams;

/// <summary>There are as many requests as may wait for a connection. Not for trying again: elsewhere the same limit holds.</summary>
internal sealed class UpstreamOverflowException(string message) : IOException(message)
{
}
