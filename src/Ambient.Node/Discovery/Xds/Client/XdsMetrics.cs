using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>What is counted of the control plane, under the names of Istio's ztunnel.</summary>
internal sealed class XdsMetrics(MetricRegistry registry)
{
    private readonly CounterFamily _ended = registry.Add(new CounterFamily(
        "istio_xds_connection_terminations", "The total number of completed connections to xds server (unstable)."));

    private readonly CounterFamily _messages = registry.Add(new CounterFamily(
        "istio_xds_message", "Total number of messages received (unstable)."));

    private readonly CounterFamily _bytes = registry.Add(new CounterFamily(
        "istio_xds_message_bytes", "Total number of bytes received (unstable)."));

    private readonly CounterFamily _decoding = registry.Add(new CounterFamily(
        "ambient_xds_decoding_microseconds", "Processor time in which resources of an Envoy's types were decoded; what came in the bytes before is not."));

    private readonly CounterFamily _applying = registry.Add(new CounterFamily(
        "ambient_xds_applying_microseconds", "Time from a response that was decoded until it was in use."));

    /// <summary>A stream ended.</summary>
    public void Ended(XdsEnd end) => _ended.Series(MetricLabels.Of(("reason", end.ToString()))).Increment();

    /// <summary>A response came.</summary>
    /// <param name="response">The response.</param>
    /// <param name="isKnown">Whether its type was asked for.</param>
    public void Received(XdsResponse response, bool isKnown)
    {
        // The server's word is a label only where we asked for it.
        var labels = MetricLabels.Of(("url", isKnown ? response.TypeUrl : "unknown"));
        _messages.Series(labels).Increment();
        _bytes.Series(labels).Add(response.Bytes);
    }

    /// <summary>A response was taken.</summary>
    /// <param name="response">The response.</param>
    /// <param name="time">How long that took.</param>
    public void Applied(XdsResponse response, TimeSpan time)
    {
        var labels = MetricLabels.Of(("url", response.TypeUrl));
        _decoding.Series(labels).Add((long)response.Decoding.TotalMicroseconds);
        _applying.Series(labels).Add((long)time.TotalMicroseconds);
    }
}

/// <summary>How a stream ended; the names are values of the label <c>reason</c>.</summary>
internal enum XdsEnd
{
    /// <summary>It was never made.</summary>
    ConnectionError,

    /// <summary>The server failed it.</summary>
    Error,

    /// <summary>The server or something between asked to come again.</summary>
    Reconnect,

    /// <summary>The server ended it in order.</summary>
    Complete,
}
