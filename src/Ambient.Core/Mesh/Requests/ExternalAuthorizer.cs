using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>How an external authorizer is asked.</summary>
public enum ExternalAuthorizerProtocol
{
    /// <summary><c>envoy.service.auth.v3.Authorization/Check</c>.</summary>
    Grpc,

    /// <summary>A request like the one that it is about; 200 lets in.</summary>
    Http,
}

/// <summary>
/// An external authorizer, which policies with action CUSTOM name: a provider <c>envoyExtAuthzGrpc</c> or <c>envoyExtAuthzHttp</c> of
/// <c>MeshConfig.extensionProviders</c> (https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider).
/// </summary>
public sealed record ExternalAuthorizer
{
    /// <summary>Name, as policies say it.</summary>
    public required string Name { get; init; }

    /// <summary>How it is asked.</summary>
    public required ExternalAuthorizerProtocol Protocol { get; init; }

    /// <summary>Namespace of its service; null: whichever has the host name.</summary>
    public string? ServiceNamespace { get; init; }

    /// <summary>Host name of its service in the mesh.</summary>
    public required string Hostname { get; init; }

    /// <summary>Port of its service: 1 to 65,535.</summary>
    public required int Port { get; init; }

    /// <summary>How long an answer is waited for, the connection included. Default 600 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>Whether a request is let in where the authorizer fails: cannot be reached, does not answer in time, or answers 5xx.</summary>
    public bool FailOpen { get; init; }

    /// <summary>The answer to a request where the authorizer fails: 200 to 599. Default 403.</summary>
    public int StatusOnError { get; init; } = 403;

    /// <summary>Whether routes look at the request as the authorizer has changed it, rather than as it came.</summary>
    public bool ClearRouteCache { get; init; }

    /// <summary>HTTP: stands before the path in the request to the authorizer.</summary>
    public string PathPrefix { get; init; } = "";

    /// <summary>
    /// HTTP: headers of the request that the authorizer is told, besides host, method, path and <c>authorization</c>. gRPC: those that it is told, besides host,
    /// method, path and scheme; empty: all.
    /// </summary>
    public ImmutableArray<StringMatch> RequestHeaders { get; init; } = [];

    /// <summary>HTTP: further headers that the authorizer is told. They go before those of the request.</summary>
    public ImmutableArray<NamedValue> AdditionalHeaders { get; init; } = [];

    /// <summary>What the authorizer is told of the request's body; null: nothing.</summary>
    public CheckedBody? Body { get; init; }

    /// <summary>HTTP: headers of an answer that lets in which the request gets, in place of its own.</summary>
    public ImmutableArray<StringMatch> HeadersToUpstreamOnAllow { get; init; } = [];

    /// <summary>
    /// HTTP: whether the request gets every header of an answer that lets in, in place of its own, but for what describes that answer itself: its host, length,
    /// type, coding, date and server.
    /// </summary>
    public bool SendsAllHeadersUpstreamOnAllow { get; init; }

    /// <summary>HTTP: headers of an answer that refuses which the client gets; empty: all of them.</summary>
    public ImmutableArray<StringMatch> HeadersToDownstreamOnDeny { get; init; } = [];

    /// <summary>HTTP: headers of an answer that lets in which the client gets with the endpoint's answer.</summary>
    public ImmutableArray<StringMatch> HeadersToDownstreamOnAllow { get; init; } = [];

    /// <summary>The service in a mesh; null: it is not there.</summary>
    public MeshService? FindService(MeshSnapshot mesh)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        return ServiceNamespace is null
            ? mesh.FindServiceByHostname(Hostname, null)
            : mesh.Services.GetValueOrDefault($"{ServiceNamespace}/{Hostname}");
    }

    /// <summary>Whether every field is equal, lists by content.</summary>
    public bool Equals(ExternalAuthorizer? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Protocol == other.Protocol
            && ServiceNamespace == other.ServiceNamespace
            && Hostname == other.Hostname
            && Port == other.Port
            && Timeout == other.Timeout
            && FailOpen == other.FailOpen
            && StatusOnError == other.StatusOnError
            && ClearRouteCache == other.ClearRouteCache
            && PathPrefix == other.PathPrefix
            && SendsAllHeadersUpstreamOnAllow == other.SendsAllHeadersUpstreamOnAllow
            && Body == other.Body
            && StructuralEquality.Same(RequestHeaders, other.RequestHeaders)
            && StructuralEquality.Same(AdditionalHeaders, other.AdditionalHeaders)
            && StructuralEquality.Same(HeadersToUpstreamOnAllow, other.HeadersToUpstreamOnAllow)
            && StructuralEquality.Same(HeadersToDownstreamOnDeny, other.HeadersToDownstreamOnDeny)
            && StructuralEquality.Same(HeadersToDownstreamOnAllow, other.HeadersToDownstreamOnAllow));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Protocol, Hostname, Port);
}

/// <summary>What an external authorizer is told of a request's body.</summary>
/// <param name="MaxBytes">Most bytes, 1 to 16,777,216.</param>
/// <param name="AllowPartial">Whether of a longer body it is told the beginning; else such a request is answered with 413.</param>
/// <param name="AsBytes">gRPC: whether it is told in <c>raw_body</c> rather than in <c>body</c>.</param>
public sealed record CheckedBody(int MaxBytes, bool AllowPartial, bool AsBytes);
