using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Admission;

namespace Ambient.Node.Connections;

/// <summary>
/// Addresses of DNS names, by a node's own resolver in its own network. Kept for half a minute, a failure for two seconds; of too many names the oldest answers are let
/// go. Connections that need the same name at the same time wait for one answer: the machine's resolver answers one after the other, and a dead name server would pile
/// them up. Names that clients choose are looked up within a bound, which addresses share (<see cref="FairShare{TKey}"/>). Thread-safe.
/// </summary>
internal sealed class NameResolver
{
    /// <summary>Names that clients choose and that are looked up at a time: a lookup counts until it has ended, whoever still waits for it.</summary>
    public const int MostLookups = 256;

    /// <summary>Names whose answers are kept.</summary>
    public const int MostNames = 4096;

    private static readonly TimeSpan s_known = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_unknown = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Lookup> _lookups = new(StringComparer.OrdinalIgnoreCase);
    private readonly FairShare<AddressKey> _underWay = new(MostLookups);
    private readonly AddressFamily _family;
    private readonly TimeProvider _time;
    private readonly Func<string, AddressFamily, Task<IPAddress[]>> _resolve;

    /// <summary>Creates the resolver.</summary>
    /// <param name="ipv6">Whether IPv6 addresses are of any use.</param>
    /// <param name="time">Clock.</param>
    /// <param name="resolve">Asks for a name's addresses; null: the machine's resolver does.</param>
    public NameResolver(bool ipv6, TimeProvider time, Func<string, AddressFamily, Task<IPAddress[]>>? resolve = null)
    {
        _family = ipv6 ? AddressFamily.Unspecified : AddressFamily.InterNetwork;
        _time = time;
        _resolve = resolve ?? (static (name, family) => Dns.GetHostAddressesAsync(name, family));
    }

    /// <summary>Lookups of names that clients chose, which have not ended.</summary>
    public int UnderWay => (int)_underWay.Held;

    /// <summary>The addresses of a name; none where there are none, or nobody answers.</summary>
    /// <param name="name">The name.</param>
    /// <param name="cancellationToken">Ends the wait; the lookup goes on, for others.</param>
    /// <param name="chosenBy">Whose client chose the name; null: the configuration has it.</param>
    /// <returns>Null: nobody was asked, for too many lookups are under way, or this address has its share of them.</returns>
    public async ValueTask<IPAddress[]?> ResolveAsync(string name, CancellationToken cancellationToken, IPAddress? chosenBy = null)
    {
        Lookup lookup;
        lock (_gate)
        {
            if (!_lookups.TryGetValue(name, out var known) || IsOver(known))
            {
                var client = chosenBy is null ? (AddressKey?)null : AddressKey.Of(chosenBy);
                if (client is { } sharer && !_underWay.TryTake(sharer, 1))
                {
                    return null;
                }

                if (_lookups.Count >= MostNames)
                {
                    LetGo();
                }

                _lookups[name] = known = new Lookup();

                // Whoever came first may leave; the others still want to know.
                _ = AskAsync(name, known, client);
            }

            lookup = known;
        }

        return await lookup.Answer.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private bool IsOver(Lookup lookup) => lookup.Answer.IsCompleted && _time.GetElapsedTime(lookup.Since) >= (lookup.Answer.Result.Length > 0 ? s_known : s_unknown);

    /// <summary>Makes room: what is over goes, and of the rest the oldest eighth.</summary>
    private void LetGo()
    {
        var answered = _lookups.Where(static pair => pair.Value.Answer.IsCompleted).OrderBy(static pair => pair.Value.Since).ToArray();
        for (var i = 0; i < answered.Length && (i < MostNames / 8 || IsOver(answered[i].Value)); i++)
        {
            _lookups.Remove(answered[i].Key);
        }
    }

    private async Task AskAsync(string name, Lookup lookup, AddressKey? client)
    {
        // Not on the caller's time, who holds the lock.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        IPAddress[] addresses = [];
        Task<IPAddress[]>? asked = null;
        try
        {
            asked = _resolve(name, _family);
            addresses = await asked.WaitAsync(s_patience, _time).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or TimeoutException or ArgumentException)
        {
            // No addresses, then.
        }
        finally
        {
            lookup.Complete(addresses, _time.GetTimestamp());
        }

        if (asked is not null)
        {
            await ((Task)asked).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (client is { } sharer)
        {
            _underWay.Give(sharer, 1);
        }
    }

    private sealed class Lookup
    {
        private readonly TaskCompletionSource<IPAddress[]> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<IPAddress[]> Answer => _answer.Task;

        /// <summary>When it was answered.</summary>
        public long Since { get; private set; }

        public void Complete(IPAddress[] addresses, long now)
        {
            Since = now;
            _answer.SetResult(addresses);
        }
    }
}
