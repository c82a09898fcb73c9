using System.Collections.Concurrent;

namespace Ambient.Identity;

/// <summary>
/// Which peers are revoked, now and while their connections live: a handshake asks, and a connection that is registered is told when it may
/// not go on. Safe for concurrent use.
/// </summary>
public sealed class PeerRevocation
{
    private readonly ConcurrentDictionary<Registration, byte> _live = new();
    private volatile RevocationLists _lists = RevocationLists.None;

    /// <summary>What is revoked.</summary>
    public RevocationLists Lists => _lists;

    /// <summary>Told of every peer that was refused or cut off, by the part that it played. Must not throw.</summary>
    public Action<PeerRole>? Rejected { get; set; }

    /// <summary>
    /// Told of every connection that no list can ever speak against, by the part that its peer plays: its path has no authority in it (a root
    /// that is the peer's own certificate). It goes on as if there were no lists. Must not throw.
    /// </summary>
    public Action<PeerRole>? Untracked { get; set; }

    /// <summary>Whether a peer may come in; counts it when it may not.</summary>
    /// <param name="path">By what it was verified.</param>
    /// <param name="role">The part that it plays.</param>
    /// <param name="reason">Why not, for the log.</param>
    public bool Refuses(VerifiedPath path, PeerRole role, out string? reason)
    {
        var revoked = _lists.FindRevoked(path);
        reason = revoked is null ? null : $"the peer's certificate is revoked: serial {revoked.SerialNumber} of \"{revoked.Issuer}\" is on the certificate revocation list";
        if (revoked is not null)
        {
            Rejected?.Invoke(role);
        }

        return revoked is not null;
    }

    /// <summary>Takes new lists, and ends every connection that they speak against.</summary>
    public void Replace(RevocationLists lists)
    {
        ArgumentNullException.ThrowIfNull(lists);
        _lists = lists;
        foreach (var (registration, _) in _live)
        {
            registration.Check(lists);
        }
    }

    /// <summary>
    /// Begins to watch over a connection. Lists that came between the handshake and now are asked at once, so none can slip through.
    /// </summary>
    /// <param name="path">By what the peer was verified.</param>
    /// <param name="role">The part that it plays.</param>
    /// <param name="revoked">Ends the connection; called at most once.</param>
    /// <returns>To be disposed of when the connection ends.</returns>
    public IDisposable Register(VerifiedPath path, PeerRole role, Action revoked)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(revoked);
        if (path.Links.IsEmpty)
        {
            Untracked?.Invoke(role);
        }

        var registration = new Registration(this, path, role, revoked);
        _live[registration] = 0;
        registration.Check(_lists);
        return registration;
    }

    private sealed class Registration(PeerRevocation owner, VerifiedPath path, PeerRole role, Action revoked) : IDisposable
    {
        private int _ended;

        public void Check(RevocationLists lists)
        {
            if (lists.FindRevoked(path) is not null && Interlocked.Exchange(ref _ended, 1) == 0)
            {
                owner._live.TryRemove(this, out _);
                owner.Rejected?.Invoke(role);
                revoked();
            }
        }

        public void Dispose()
        {
            _ended = 1;
            owner._live.TryRemove(this, out _);
        }
    }
}
