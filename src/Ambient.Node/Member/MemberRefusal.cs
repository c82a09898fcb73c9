using Ambient.Node.Requests.ExternalAuthorization;

namespace Ambient.Node.Member;

/// <summary>Why a request is not let in to the application, and what it is answered.</summary>
/// <param name="Status">Status of the answer.</param>
/// <param name="Reason">For a person.</param>
internal readonly record struct MemberRefusal(int Status, string Reason)
{
    /// <summary>Body of the answer, of ASCII; empty: none.</summary>
    public string Body { get; init; } = "";

    /// <summary>The external authorizer's own answer, in place of status and body; null: there is none.</summary>
    public CheckVerdict? Answer { get; init; }
}
