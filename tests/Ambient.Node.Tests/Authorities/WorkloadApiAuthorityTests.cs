using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Protos.Spiffe;
using Ambient.Node.Tests.Discovery;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Grpc.Core;

namespace Ambient.Node.Tests.Authorities;

/// <summary>The client of the SPIFFE Workload API against a real gRPC server on a unix socket.</summary>
public sealed class WorkloadApiAuthorityTests : IDisposable
{
    private static readonly SpiffeId s_sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private static readonly SpiffeId s_web = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/web");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-spire-");
    private readonly TestAuthority _signer = new();
    private readonly RecordingLogger _log = new();

    private string Socket => Path.Combine(_folder.FullName, "agent.sock");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Svid_ComesWithKeyChainAndRoots_AndANewOneAtOnce(bool rsa)
    {
        var shape = new TestCertificate { Rsa = rsa };
        var intermediate = _signer.Intermediate();
        await using var agent = await WorkloadApiServer.StartAsync(Socket, intermediate.Issue(s_sleep, shape));
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);

        var first = await cache.GetSvidAsync(s_sleep);
        Assert.True(first.Leaf.HasPrivateKey);
        Assert.Single(first.Intermediates);
        var next = intermediate.Issue(s_sleep, shape);
        agent.Push(next);

        await UntilUsedAsync(cache, next);
        Assert.Equal(1, agent.Opened);
    }

    [Fact]
    public async Task OtherIdentity_SaysWhatIsGiven_AndThatItIsToBeRegistered()
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, _signer.Issue(s_web));
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);

        var e = await Assert.ThrowsAsync<SvidUnavailableException>(async () => await cache.GetSvidAsync(s_sleep));
        Assert.Contains($"does not give this identity, but {s_web}", e.Message, StringComparison.Ordinal);
        Assert.Contains("an entry with this SPIFFE ID", e.Message, StringComparison.Ordinal);

        // Registered: no back-off is waited for.
        var registered = _signer.Issue(s_sleep);
        agent.Push(registered, _signer.Issue(s_web));
        await UntilUsedAsync(cache, registered);
    }

    [Fact]
    public async Task AgentThatKnowsUsNot_SaysWhatToDo_AndIsAskedAgain()
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, null, StatusCode.PermissionDenied);
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        var heard = Heard(authority);

        var e = await Assert.ThrowsAsync<SvidUnavailableException>(async () => await cache.GetSvidAsync(s_sleep));
        Assert.Contains("has no identity for this process (no identity issued): register entries", e.Message, StringComparison.Ordinal);
        await heard.WaitAsync(TimeSpan.FromSeconds(30));

        var registered = _signer.Issue(s_sleep);
        agent.Push(registered);
        await UntilUsedAsync(cache, registered);
    }

    [Fact]
    public async Task AgentThatIsNotThere_SaysSo_AndIsUsedWhenItComes()
    {
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        var heard = Heard(authority);

        var e = await Assert.ThrowsAsync<SvidUnavailableException>(async () => await cache.GetSvidAsync(s_sleep));
        Assert.Contains($"the SPIFFE Workload API at unix://{Socket} cannot be reached", e.Message, StringComparison.Ordinal);
        Assert.False(heard.IsCompleted);

        var svid = _signer.Issue(s_sleep);
        await using var agent = await WorkloadApiServer.StartAsync(Socket, svid);
        await UntilUsedAsync(cache, svid);
        await heard.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task AgentThatSaysNothing_IsWaitedForAWhile()
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, answer: null);
        await using var authority = Authority();

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(s_sleep));

        Assert.Contains("does not answer", e.Message, StringComparison.Ordinal);
        Assert.False(Heard(authority).IsCompleted);
    }

    [Fact]
    public async Task AgentGoneAndBack_TheLastSvidIsKept_AndTheNewOneTaken()
    {
        var first = _signer.Issue(s_sleep);
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        await using (await WorkloadApiServer.StartAsync(Socket, first))
        {
            await UntilUsedAsync(cache, first);
        }

        await _log.WaitForAsync("What it gave last stays in use");
        await _log.WaitForAsync("cannot be reached");
        Assert.Equal(first.Leaf.SerialNumber, (await cache.GetSvidAsync(s_sleep)).Leaf.SerialNumber);

        // A cache that forgot it meanwhile (its pod went, and came back) gets it still.
        cache.Forget(s_sleep);
        Assert.Equal(first.Leaf.SerialNumber, (await cache.GetSvidAsync(s_sleep)).Leaf.SerialNumber);

        var next = _signer.Issue(s_sleep);
        await using var back = await WorkloadApiServer.StartAsync(Socket, next);
        await UntilUsedAsync(cache, next);
    }

    [Fact]
    public async Task AgentThatIsBack_AndDoesNotKnowUsYet_TakesNothingAway()
    {
        var first = _signer.Issue(s_sleep);
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        await using (await WorkloadApiServer.StartAsync(Socket, first))
        {
            await UntilUsedAsync(cache, first);
        }

        await using var back = await WorkloadApiServer.StartAsync(Socket, null, StatusCode.PermissionDenied);
        await _log.WaitForAsync("has no identity for this process");
        Assert.Equal(first.Leaf.SerialNumber, (await cache.GetSvidAsync(s_sleep)).Leaf.SerialNumber);
        Assert.Equal(first.Leaf.SerialNumber, (await authority.IssueAsync(s_sleep)).Leaf.SerialNumber);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IdentityThatIsTakenBack_IsNotUsedAnyLonger(bool all)
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, _signer.Issue(s_sleep), _signer.Issue(s_web));
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        await cache.GetSvidAsync(s_sleep);
        await cache.GetSvidAsync(s_web);

        if (all)
        {
            agent.Refuse(StatusCode.PermissionDenied);
            await _log.WaitForAsync("What it gave before is no longer used");
        }
        else
        {
            agent.Push(_signer.Issue(s_web));
        }

        await EventuallyAsync(() => cache.Snapshot()[0].State.Contains(all ? "has no identity for this process" : "does not give this identity", StringComparison.Ordinal), "it is gone");
        Assert.Equal(s_sleep, cache.Snapshot()[0].Identity);
        Assert.Equal(all, cache.Snapshot()[1].Svid is null);

        // Given back: taken at once.
        var again = _signer.Issue(s_sleep);
        agent.Push(again, _signer.Issue(s_web));
        await UntilUsedAsync(cache, again);
    }

    [Fact]
    public async Task Garbage_IsLoggedOnceEach_TheKeyNever_AndTheLastGoodSvidStays()
    {
        var first = _signer.Issue(s_sleep);
        await using var agent = await WorkloadApiServer.StartAsync(Socket, first);
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        await cache.GetSvidAsync(s_sleep);

        agent.Push(new X509SVIDResponse());
        await _log.WaitForAsync("an answer with 0 SVIDs");
        var foreign = _signer.Issue(s_sleep);
        var foreignKey = WorkloadApiServer.Of(foreign).X509SvidKey;
        agent.Push(new X509SVIDResponse { Svids = { WorkloadApiServer.Of(_signer.Issue(s_sleep), foreignKey.ToByteArray()), WorkloadApiServer.Of(_signer.Issue(s_web)) } });
        await _log.WaitForAsync($"SVID of {s_sleep}: the private key cannot be read or is not the leaf's");
        var many = new X509SVIDResponse { Svids = { WorkloadApiServer.Of(_signer.Issue(s_web)) } };
        many.Svids.AddRange(Enumerable.Range(0, 500).Select(i => new X509SVID { SpiffeId = $"spiffe://cluster.local/{i}" }));
        many.Svids.Add(new X509SVID { SpiffeId = s_sleep.ToString() });
        agent.Push(many);
        await _log.WaitForAsync("and 491 more");

        Assert.Equal(first.Leaf.SerialNumber, (await cache.GetSvidAsync(s_sleep)).Leaf.SerialNumber);
        Assert.Equal(first.Leaf.SerialNumber, (await authority.IssueAsync(s_sleep)).Leaf.SerialNumber);
        Assert.Equal(1, agent.Opened);
        Assert.True(_log.Lines.Count < 30, string.Join('\n', _log.Lines));
        var secret = foreignKey.Span.ToArray();
        Assert.All(_log.Lines, line => Assert.DoesNotContain(Convert.ToBase64String(secret), line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task ExpiredSvidAlone_SaysSo()
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, _signer.IssueExpired(s_sleep));
        await using var authority = Authority();

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(s_sleep));

        Assert.Contains("its certificate ended at", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RevocationLists_AreNotUsed_AndThatIsSaidOnce()
    {
        var answer = WorkloadApiServer.Answer(_signer.Issue(s_sleep));
        answer.Crl.Add(ByteString.CopyFromUtf8("a list"));
        await using var agent = await WorkloadApiServer.StartAsync(Socket, answer);
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);
        await cache.GetSvidAsync(s_sleep);
        var next = _signer.Issue(s_sleep);
        answer = WorkloadApiServer.Answer(next);
        answer.Crl.Add(ByteString.CopyFromUtf8("a list"));
        agent.Push(answer);
        await UntilUsedAsync(cache, next);

        Assert.Single(_log.Lines, line => line.Contains("CRL_PATH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task NoNewerSvidLateInItsLife_IsWarnedOf()
    {
        var now = DateTimeOffset.UtcNow;
        var old = _signer.Issue(s_sleep, new TestCertificate { NotBefore = now.AddHours(-3), NotAfter = now.AddHours(1) });
        await using var agent = await WorkloadApiServer.StartAsync(Socket, old);
        await using var authority = Authority();

        await authority.IssueAsync(s_sleep);

        Assert.Contains($"no newer SVID of {s_sleep}", await _log.WaitForAsync("Warning: "), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AgentThatSpeaksSomethingElse_IsAskedEverMoreSeldom()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Socket));
        listener.Listen(10);
        var accepted = 0;
        var serving = Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    using var peer = await listener.AcceptAsync();
                    Interlocked.Increment(ref accepted);
                    await peer.SendAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        });
        await using (var authority = Authority())
        {
            await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(s_sleep));
            await _log.WaitForAsync("trying again in 00:00:02");
        }

        Assert.InRange(accepted, 3, 4);
        listener.Dispose();
        await serving;
    }

    [Fact]
    public async Task AgentThatAnswersAndHangsUp_IsAskedEverMoreSeldom()
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, _signer.Issue(s_sleep));
        agent.HangUp = true;
        await using var authority = Authority();
        Assert.Equal(s_sleep, (await authority.IssueAsync(s_sleep)).Id);

        await _log.WaitForAsync("ended the stream; trying again in 00:00:02");

        Assert.InRange(agent.Opened, 3, 4);
    }

    [Fact]
    public async Task OverTcp_ItIsTheSame()
    {
        await using var agent = await WorkloadApiServer.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), WorkloadApiServer.Answer(_signer.Issue(s_sleep)));
        await using var authority = Authority(agent.Address);

        Assert.Equal(s_sleep, (await authority.IssueAsync(s_sleep)).Id);
    }

    [Fact]
    public async Task Dispose_EndsTheStream_AndMayBeCalledTwice()
    {
        await using var agent = await WorkloadApiServer.StartAsync(Socket, _signer.Issue(s_sleep));
        var authority = Authority();
        await authority.IssueAsync(s_sleep);
        Assert.Equal(1, agent.Streams);

        await authority.DisposeAsync();
        await authority.DisposeAsync();

        await EventuallyAsync(() => agent.Streams == 0, "the stream is closed");
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await authority.IssueAsync(s_sleep));
        await Authority().DisposeAsync();
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private WorkloadApiAuthority Authority(string? address = null)
    {
        Assert.True(WorkloadApiAddress.TryParse(address ?? $"unix://{Socket}", out var parsed, out _));
        return new WorkloadApiAuthority(parsed, _log, TimeProvider.System);
    }

    private static Task Heard(WorkloadApiAuthority authority)
    {
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        authority.OnceHeard(heard.SetResult);
        return heard.Task;
    }

    private static async Task UntilUsedAsync(SvidCache cache, X509Svid svid)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                if ((await cache.GetSvidAsync(svid.Id)).Leaf.SerialNumber == svid.Leaf.SerialNumber)
                {
                    return;
                }
            }
            catch (SvidUnavailableException)
            {
                // Not yet.
            }

            Assert.True(tries < 600, "the SVID is never used");
            await Task.Delay(50);
        }
    }

    private static async Task EventuallyAsync(Func<bool> condition, string what)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 600, $"never: {what}");
            await Task.Delay(50);
        }
    }
}
