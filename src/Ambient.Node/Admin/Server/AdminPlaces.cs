using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Admin.Server;

/// <summary>
/// The connections to an <see cref="AdminServer"/>. Their number is limited, in all and for each client address, and idle ones give way to
/// new ones: first those that have sent no request or already have their answer, the oldest first, then those that have
/// stopped reading. One whose request has come and was not looked at yet goes after the silent ones. So silent connections never keep a probe out,
/// however many there are, and however many come at once.
/// </summary>
internal sealed class AdminPlaces(TimeProvider time)
{
    /// <summary>Most connections.</summary>
    public const int Most = 64;

    /// <summary>Most connections of one client address.</summary>
    public const int MostOfAnAddress = 16;

    private static readonly TimeSpan Stalled = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly List<Place> _places = [];

    /// <summary>Takes a place, for which another connection may have to go; null when everybody who is there is being served.</summary>
    public Place? Enter(Socket client)
    {
        ArgumentNullException.ThrowIfNull(client);
        var address = AddressOf(client);
        Place? leaving = null;
        Place place;
        lock (_lock)
        {
            if (_places.Count(other => other.Address.Equals(address)) >= MostOfAnAddress)
            {
                leaving = Idlest_NeedsLock(address);
            }
            else if (_places.Count >= Most)
            {
                leaving = Idlest_NeedsLock(null);
            }
            else
            {
                return Add_NeedsLock();
            }

            if (leaving is null)
            {
                return null;
            }

            _places.Remove(leaving);
            place = Add_NeedsLock();
        }

        leaving.Client.Dispose();
        return place;

        Place Add_NeedsLock()
        {
            var added = new Place(client, address, time);
            _places.Add(added);
            return added;
        }
    }

    /// <summary>Gives a place back; it may have been taken already.</summary>
    public void Leave(Place place)
    {
        lock (_lock)
        {
            _places.Remove(place);
        }
    }

    private Place? Idlest_NeedsLock(IPAddress? address)
    {
        Place? idlest = null;
        var hasSpoken = false;
        foreach (var place in _places)
        {
            if ((address is not null && !place.Address.Equals(address)) || !place.MayGo(Stalled))
            {
                continue;
            }

            if (idlest is not null && !hasSpoken && !place.Precedes(idlest))
            {
                continue;
            }

            // The kernel is asked only about who would go.
            var speaks = place.HasUnread();
            if (idlest is null || (hasSpoken && !speaks) || (hasSpoken == speaks && place.Precedes(idlest)))
            {
                (idlest, hasSpoken) = (place, speaks);
            }
        }

        return idlest;
    }

    private static IPAddress AddressOf(Socket client)
    {
        try
        {
            return client.RemoteEndPoint is IPEndPoint { Address: var address } ? address : IPAddress.None;
        }
        catch (SocketException)
        {
            // It left again.
            return IPAddress.None;
        }
    }

    /// <summary>One connection.</summary>
    internal sealed class Place(Socket client, IPAddress address, TimeProvider time)
    {
        private long _since = time.GetTimestamp();
        private int _serving;

        /// <summary>The connection.</summary>
        public Socket Client { get; } = client;

        /// <summary>The client's address.</summary>
        public IPAddress Address { get; } = address;

        private bool IsServing => Volatile.Read(ref _serving) != 0;

        /// <summary>Its request is there, or part of its answer has been taken: it keeps its place for a while.</summary>
        public void Progress()
        {
            Volatile.Write(ref _since, time.GetTimestamp());
            Volatile.Write(ref _serving, 1);
        }

        /// <summary>It has its answer.</summary>
        public void Answered()
        {
            Volatile.Write(ref _since, time.GetTimestamp());
            Volatile.Write(ref _serving, 0);
        }

        /// <summary>Whether it has said something that nobody has read yet.</summary>
        public bool HasUnread()
        {
            try
            {
                return !IsServing && Client.Available > 0;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }

        /// <summary>Whether it can be asked to leave.</summary>
        public bool MayGo(TimeSpan stalled) => !IsServing || time.GetElapsedTime(Volatile.Read(ref _since)) >= stalled;

        /// <summary>Whether it goes before another that may go.</summary>
        public bool Precedes(Place other) => IsServing == other.IsServing ? Volatile.Read(ref _since) < Volatile.Read(ref other._since) : !IsServing;
    }
}
