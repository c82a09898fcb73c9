using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Connections;

/// <summary>
/// Addresses of DNS names, by a node's own resolver in its own network. Kept for half a minute, a failure for two seconds; the number of names is bounded. Connections
/// that need the same name at the same time wait for one answer: the machine's resolver answers one after the other, and a dead name server would pile them up.
/// </summary>
internal sealed class NameResolver
{
    private const int MostNames = 4096;
    private static readonly TimeSpan s_known = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_unknown = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Lookup> _lookups = new(StringComparer.OrdinalIgnoreCase);
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

    /// <summary>The addresses of a name; none where there are none, or nobody answers.</summary>
    public async ValueTask<IPAddress[]> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_lookups.TryGetValue(name, out var known))
            {
                if (!known.Answer.IsCompleted || _time.GetElapsedTime(known.Since) < (known.Answer.Result.Length > 0 ? s_known : s_unknown))
                {
                    return await known.Answer.WaitAsync(cancellationToken).ConfigureAwait(false);
                }

                _lookups.TryRemove(KeyValuePair.Create(name, known));
            }

            if (_lookups.Count >= MostNames)
            {
                _lookups.Clear();
            }

            var lookup = new Lookup();
            if (_lookups.TryAdd(name, lookup))
            {
                // Whoever came first may leave; the others still want to know.
                _ = AskAsync(name, lookup);
            }
        }
    }

    private async Task AskAsync(string name, Lookup lookup)
    {
        IPAddress[] addresses = [];
        try
        {
            addresses = await _resolve(name, _family).WaitAsync(s_patience, _time).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or TimeoutException or ArgumentException)
        {
            // No addresses, then.
        }
        finally
        {
            lookup.Complete(addresses, _time.GetTimestamp());
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
