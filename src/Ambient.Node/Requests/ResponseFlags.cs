namespace Ambient.Node.Requests;

/// <summary>Short names of why a request ended as it did, as Istio's dashboards know them.</summary>
internal static class ResponseFlags
{
    /// <summary>Nothing special.</summary>
    public const string None = "-";

    /// <summary>The external authorizer refused, or failed.</summary>
    public const string UnauthorizedExternalService = "UAEX";

    /// <summary>We had too much to do ourselves.</summary>
    public const string Overload = "OM";

    /// <summary>No endpoint that could take the request.</summary>
    public const string NoHealthyUpstream = "UH";

    /// <summary>No connection to the endpoint.</summary>
    public const string UpstreamConnectionFailure = "UF";

    /// <summary>The endpoint closed before or while answering.</summary>
    public const string UpstreamConnectionTermination = "UC";

    /// <summary>The endpoint reset the stream of HTTP/2.</summary>
    public const string UpstreamRemoteReset = "UR";

    /// <summary>The endpoint did not answer in time.</summary>
    public const string UpstreamRequestTimeout = "UT";

    /// <summary>There are as many requests as a limit admits.</summary>
    public const string UpstreamOverflow = "UO";

    /// <summary>The route names a subset that no DestinationRule has.</summary>
    public const string NoClusterFound = "NC";

    /// <summary>No route matches.</summary>
    public const string NoRouteFound = "NR";

    /// <summary>A route held it back on purpose.</summary>
    public const string DelayInjected = "DI";

    /// <summary>A route aborted it on purpose.</summary>
    public const string FaultInjected = "FI";

    /// <summary>No try succeeded, and there are no more.</summary>
    public const string RetryLimitExceeded = "URX";

    /// <summary>The client went away.</summary>
    public const string DownstreamConnectionTermination = "DC";

    /// <summary>Nothing of the request or its answer moved for too long.</summary>
    public const string StreamIdleTimeout = "SI";

    /// <summary>The proxy itself ended it: policies changed, its place moved, or the process drains.</summary>
    public const string LocalReset = "LR";

    /// <summary>The endpoint broke the protocol.</summary>
    public const string UpstreamProtocolError = "UPE";

    /// <summary>The request breaks the protocol.</summary>
    public const string DownstreamProtocolError = "DPE";
}
