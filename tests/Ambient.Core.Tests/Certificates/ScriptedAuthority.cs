using System.Threading.Channels;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Core.Tests.Certificates;

/// <summary>An authority whose every answer the test gives by hand, in the order that the requests arrived.</summary>
internal sealed class ScriptedAuthority(TimeProvider time, TimeSpan? lifetime = null) : ICertificateAuthority
{
    private readonly TestAuthority _issuer = new(lifetime: lifetime, timeProvider: time);
    private readonly Channel<Request> _requests = Channel.CreateUnbounded<Request>();
    private int _count;

    /// <summary>Requests so far.</summary>
    public int Count => Volatile.Read(ref _count);

    public async ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default)
    {
        var request = new Request(id);
        Interlocked.Increment(ref _count);
        _requests.Writer.TryWrite(request);
        var failure = await request.Answer.Task.WaitAsync(cancellationToken);
        return failure is null ? _issuer.Issue(id) : throw failure;
    }

    /// <summary>The next request, waited for.</summary>
    public Task<Request> NextAsync() => _requests.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));

    internal sealed class Request(SpiffeId id)
    {
        public SpiffeId Id { get; } = id;

        public TaskCompletionSource<Exception?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Issue() => Answer.SetResult(null);

        public void Fail(string reason = "out of order") => Answer.SetResult(new CertificateAuthorityException(reason));
    }
}
