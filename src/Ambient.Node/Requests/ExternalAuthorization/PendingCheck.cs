using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>The owner of one question, for whoever has nothing else that goes away.</summary>
internal sealed class PendingCheck : ICheckOwner
{
    private readonly Lock _gate = new();
    private ClientExchange? _check;
    private bool _isOver;

    /// <inheritdoc/>
    public RequestHead QuestionHead { get; } = new();

    /// <inheritdoc/>
    public void Attach(ClientExchange check)
    {
        lock (_gate)
        {
            _check = check;
            if (_isOver)
            {
                check.Abort(MessageFault.Aborted);
            }
        }
    }

    /// <inheritdoc/>
    public void Detach()
    {
        lock (_gate)
        {
            _check = null;
        }
    }

    /// <summary>Breaks the question off when the token is cancelled, for as long as the registration lasts.</summary>
    public CancellationTokenRegistration BreakWhen(CancellationToken ended) => ended.UnsafeRegister(static check => ((PendingCheck)check!).Break(), this);

    private void Break()
    {
        lock (_gate)
        {
            _isOver = true;
            _check?.Abort(MessageFault.Aborted);
        }
    }
}
