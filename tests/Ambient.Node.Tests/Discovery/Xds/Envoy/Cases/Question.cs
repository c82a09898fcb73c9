using System.Collections.Immutable;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Something that a client says to a waypoint or gateway of a recorded case, and what must come of it, whether the host was told of the mesh by a folder of
/// manifests or by istiod. With several expectations every try must meet one of them, and each must be met by some try.
/// </summary>
internal sealed record Question
{
    /// <summary>How the client speaks.</summary>
    public Speech Speech { get; init; } = Speech.Http1;

    /// <summary>Method of a request.</summary>
    public string Method { get; init; } = "GET";

    /// <summary>Path and query of a request, or the bytes that are said.</summary>
    public string Said { get; init; } = "/";

    /// <summary>Service (of namespace <c>app</c>, or <c>namespace/name</c>) or address that is called.</summary>
    public string To { get; init; } = "a";

    /// <summary>Port that is called; at a gateway the listener's.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>Host of the request; null: the service and port.</summary>
    public string? Host { get; init; }

    /// <summary>Service account of the caller, in namespace <c>app</c>, or <c>namespace/name</c>, or a whole identity without its scheme.</summary>
    public string Caller { get; init; } = "b";

    /// <summary>Address that the caller has; null: any.</summary>
    public string? Source { get; init; }

    /// <summary>Fields of the request.</summary>
    public ImmutableArray<(string Name, string Value)> Fields { get; init; } = [];

    /// <summary>Body of the request.</summary>
    public string Content { get; init; } = "";

    /// <summary>Whether it is said to the gateway.</summary>
    public bool AtGateway { get; init; }

    /// <summary>Server name of the client's own TLS; null: it speaks without.</summary>
    public string? ServerName { get; init; }

    /// <summary>Certificate that the client shows in its own TLS.</summary>
    public ClientProof Proof { get; init; }

    /// <summary>How often it is said.</summary>
    public int Tries { get; init; } = 1;

    /// <summary>A field whose value is another one for every try; null: none.</summary>
    public string? Varied { get; init; }

    /// <summary>What must come of it.</summary>
    public ImmutableArray<Expected> Expected { get; init; } = [];

    /// <summary>What comes of it by istiod's configuration, where that is something else; default: the same.</summary>
    public ImmutableArray<Expected> ByRecording { get; init; } = [];

    /// <summary>Pods that the tries must reach, each of them and no other; empty: any.</summary>
    public ImmutableArray<string> Pods { get; init; } = [];

    /// <summary>Shares of the pods, in the order of <see cref="Pods"/>; empty: any.</summary>
    public ImmutableArray<int> Shares { get; init; } = [];

    /// <summary>Whether all tries must reach one pod, the same from either source.</summary>
    public bool IsSticky { get; init; }

    /// <summary>Whether the texts of answers may differ, because they name a place that only one of the sources knows.</summary>
    public bool IsLoose { get; init; }

    /// <summary>How it is written.</summary>
    public string Line { get; init; } = "";

    public override string ToString() => Line;
}

/// <summary>What must come of a question.</summary>
internal sealed record Expected
{
    /// <summary>Status of the answer, of gRPC's too; 200 for bytes that came back; 0: the connection ended.</summary>
    public required int Status { get; init; }

    public ImmutableArray<string> Reached { get; init; } = [];

    public ImmutableArray<string> Seen { get; init; } = [];

    public string? Target { get; init; }

    public ImmutableArray<string> Told { get; init; } = [];

    public string? Text { get; init; }

    /// <summary>Whether it need not happen.</summary>
    public bool IsRare { get; init; }

    public override string ToString() =>
        $"{Status} {string.Join(' ', Reached)} {Target} {string.Join(", ", Seen)} {(Told.IsEmpty ? "" : $"told {string.Join(", ", Told)} ")}{Text}".TrimEnd();
}

/// <summary>How a client speaks.</summary>
internal enum Speech
{
    Http1,
    Http2,
    Grpc,
    Bytes,
}

/// <summary>What a client shows of itself in its own TLS.</summary>
internal enum ClientProof
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The certificate of the recorded meshes, which their authority has signed.</summary>
    Certificate,

    /// <summary>A certificate that nobody knows.</summary>
    Stranger,

    /// <summary>Its identity in the mesh.</summary>
    Svid,
}
