using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>Whoever waits for an authorizer: may go away meanwhile, and breaks the question off then.</summary>
internal interface ICheckOwner
{
    /// <summary>A head to ask with, so that not every question makes one.</summary>
    RequestHead QuestionHead { get; }

    /// <summary>A question is under way: what ends the owner breaks it off.</summary>
    void Attach(ClientExchange check);

    /// <summary>It is not any more.</summary>
    void Detach();
}
