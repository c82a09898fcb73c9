using System.Collections.Immutable;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What an external authorizer's answer means.</summary>
internal enum CheckOutcome
{
    /// <summary>Let in.</summary>
    Allowed,

    /// <summary>Kept out, with an answer of the authorizer's own.</summary>
    Denied,

    /// <summary>The authorizer failed.</summary>
    Failed,

    /// <summary>It was not asked, as we have too much to do ourselves: nothing that <c>failOpen</c> is about.</summary>
    Overloaded,
}

/// <summary>What becomes of a header.</summary>
internal enum HeaderChange
{
    /// <summary>Replaces those of its name.</summary>
    Set,

    /// <summary>Stands beside those of its name.</summary>
    Add,

    /// <summary>Joins the value of its name, where there is one.</summary>
    AppendIfPresent,

    /// <summary>Is there where there is none of its name.</summary>
    AddIfAbsent,

    /// <summary>Replaces those of its name, where there are some.</summary>
    SetIfPresent,
}

/// <summary>A change of a header.</summary>
/// <param name="Change">What becomes of it.</param>
/// <param name="Name">Name.</param>
/// <param name="Value">Value.</param>
internal readonly record struct HeaderEdit(HeaderChange Change, string Name, string Value);

/// <summary>A decision of an external authorizer.</summary>
internal sealed record CheckVerdict
{
    private CheckVerdict(CheckOutcome outcome) => Outcome = outcome;

    /// <summary>Let in, and nothing is changed.</summary>
    public static CheckVerdict Allowed { get; } = new(CheckOutcome.Allowed);

    /// <summary>The decision.</summary>
    public CheckOutcome Outcome { get; }

    /// <summary>Allowed: changes of the request's headers. Denied: headers of the answer.</summary>
    public ImmutableArray<HeaderEdit> Headers { get; init; } = [];

    /// <summary>Allowed: names of headers that the request loses, after <see cref="Headers"/>.</summary>
    public ImmutableArray<string> Remove { get; init; } = [];

    /// <summary>Allowed: changes of the answer's headers.</summary>
    public ImmutableArray<HeaderEdit> ResponseHeaders { get; init; } = [];

    /// <summary>Allowed: parameters of the query that are set.</summary>
    public ImmutableArray<KeyValuePair<string, string>> SetParameters { get; init; } = [];

    /// <summary>Allowed: parameters of the query that are removed.</summary>
    public ImmutableArray<string> RemoveParameters { get; init; } = [];

    /// <summary>Denied: status of the answer.</summary>
    public int Status { get; private init; }

    /// <summary>Denied: body of the answer.</summary>
    public ReadOnlyMemory<byte> Body { get; private init; }

    /// <summary>Failed or overloaded: why, for a person.</summary>
    public string? Reason { get; private init; }

    /// <summary>Whether anything of the request is changed.</summary>
    public bool ChangesRequest => !(Headers.IsEmpty && Remove.IsEmpty && SetParameters.IsEmpty && RemoveParameters.IsEmpty);

    /// <summary>Let in, with changes.</summary>
    public static CheckVerdict Allow(ImmutableArray<HeaderEdit> headers, ImmutableArray<string> remove, ImmutableArray<HeaderEdit> responseHeaders) =>
        new(CheckOutcome.Allowed) { Headers = headers, Remove = remove, ResponseHeaders = responseHeaders };

    /// <summary>Kept out.</summary>
    /// <param name="status">Status; one that no final answer can have is 403.</param>
    /// <param name="headers">Headers of the answer.</param>
    /// <param name="body">Body of the answer.</param>
    public static CheckVerdict Deny(int status, ImmutableArray<HeaderEdit> headers, ReadOnlyMemory<byte> body) =>
        new(CheckOutcome.Denied) { Status = status is >= 200 and <= 599 ? status : 403, Headers = headers, Body = body };

    /// <summary>Nobody knows.</summary>
    public static CheckVerdict Fail(string reason) => new(CheckOutcome.Failed) { Reason = reason };

    /// <summary>Nobody was asked: a limit of our own, or of the connections to the authorizer, is reached.</summary>
    public static CheckVerdict Overload(string reason) => new(CheckOutcome.Overloaded) { Reason = reason };
}
