namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>A piece of a line: bytes as they are, or an operator with the header that it is about, another, and its own bound.</summary>
/// <param name="Operator">What is written.</param>
/// <param name="Literal">Bytes, where it is no operator.</param>
/// <param name="Name">Name of the header, or the form of a time.</param>
/// <param name="Alternative">The header that is asked where the first is missing; null: none.</param>
/// <param name="MaxLength">Most characters of the value.</param>
internal sealed record AccessLogPart(AccessLogOperator Operator, byte[] Literal, string Name, string? Alternative, int MaxLength)
{
    /// <summary>Whether its value is written as it is, for somebody who does not read lines.</summary>
    public bool IsRaw { get; init; }
}

/// <summary>What an operator of an access log's form stands for.</summary>
internal enum AccessLogOperator
{
    None,
    Nothing,
    StartTime,
    Request,
    Response,
    Protocol,
    ResponseCode,
    ResponseFlags,
    CodeDetails,
    TerminationDetails,
    TransportFailure,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    DownstreamLocalAddress,
    DownstreamLocalHost,
    DownstreamLocalPort,
    DownstreamRemoteAddress,
    DownstreamRemoteHost,
    DownstreamRemotePort,
    ServerName,
    RouteName,
    GrpcStatus,
    TraceId,
    PeerIdentity,
}
