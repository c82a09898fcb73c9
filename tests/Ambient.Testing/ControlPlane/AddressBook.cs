using System.Net;
using Ambient.Node.Protos.Discovery;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using WireAddress = Ambient.Node.Protos.Workloads.Address;
using WireService = Ambient.Node.Protos.Workloads.Service;
using WireWorkload = Ambient.Node.Protos.Workloads.Workload;

namespace Ambient.Testing.ControlPlane;

/// <summary>
/// Addresses as istiod gives them to clients that ask on demand: a subscription is answered when it is new and never again, answers come
/// under names of their own (which are subscribed to from then on), pods of the client's node come unasked, and a name that nobody has is
/// told to be removed, and not told when it comes to be.
/// </summary>
internal sealed class AddressBook
{
    private const string AddressType = "type.googleapis.com/istio.workload.Address";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, WireAddress> _addresses = new(StringComparer.Ordinal);
    private readonly List<Subscriber> _subscribers = [];

    /// <summary>Names that were asked for, one by one and in order; those of reconnected streams, too.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>Names that a stream gave up without having them: istiod logs an error for each.</summary>
    public List<string> GivenUpInVain { get; } = [];

    /// <summary>Whether questions are answered; those that were not are lost, as with a server that hangs.</summary>
    public bool Answers { get; set; } = true;

    /// <summary>Serves a script's streams. Policies are none, or as <paramref name="policies"/> has them.</summary>
    public void Serve(DiscoveryScript script, Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?>? policies = null) => script.Session = send =>
    {
        var subscriber = new Subscriber(send);
        lock (_lock)
        {
            _subscribers.Add(subscriber);
        }

        return request => request.TypeUrl == AddressType ? Answer(subscriber, request) : (policies ?? (r => DiscoveryScript.Empty(r.TypeUrl)))(request);
    };

    /// <summary>Adds or changes a workload.</summary>
    public void Set(WireWorkload workload) => Set(workload.Uid, new WireAddress { Workload = workload });

    /// <summary>Adds or changes a service.</summary>
    public void Set(WireService service) => Set($"{service.Namespace}/{service.Hostname}", new WireAddress { Service = service });

    /// <summary>Removes an address.</summary>
    public void Remove(string name)
    {
        lock (_lock)
        {
            _addresses.Remove(name);
            foreach (var subscriber in _subscribers.Where(subscriber => subscriber.Names.Contains(name)))
            {
                subscriber.Send(new DeltaDiscoveryResponse { TypeUrl = AddressType, Nonce = Nonce(), RemovedResources = { name } });
            }
        }
    }

    private void Set(string name, WireAddress address)
    {
        lock (_lock)
        {
            _addresses[name] = address;
            foreach (var subscriber in _subscribers.Where(subscriber => subscriber.Names.Contains(name) || IsLocal(subscriber, address)))
            {
                subscriber.Names.Add(name);
                subscriber.Send(new DeltaDiscoveryResponse { TypeUrl = AddressType, Nonce = Nonce(), Resources = { Resource(name, address) } });
            }
        }
    }

    private DeltaDiscoveryResponse? Answer(Subscriber subscriber, DeltaDiscoveryRequest request)
    {
        lock (_lock)
        {
            var first = subscriber.Node is null;
            subscriber.Node ??= request.Node.Metadata.Fields["NODE_NAME"].StringValue;
            var subscribed = request.ResourceNamesSubscribe.Concat(request.InitialResourceVersions.Keys).Where(name => name != "*").ToList();
            Asked.AddRange(subscribed);
            var changed = false;
            foreach (var name in subscribed)
            {
                changed |= subscriber.Names.Add(name);
            }

            foreach (var name in request.ResourceNamesUnsubscribe)
            {
                var had = subscriber.Names.Remove(name);
                changed |= had;
                if (!had && name != "*")
                {
                    GivenUpInVain.Add(name);
                }
            }

            if ((!changed && !first) || !Answers)
            {
                return null;
            }

            var response = new DeltaDiscoveryResponse { TypeUrl = AddressType, Nonce = Nonce() };
            var found = new HashSet<string>(StringComparer.Ordinal);
            foreach (var name in subscribed)
            {
                var before = found.Count;
                found.UnionWith(_addresses.Where(address => IsCalled(address, name)).Select(address => address.Key));
                if (found.Count == before)
                {
                    response.RemovedResources.Add(name);
                }
            }

            // Who asks for a service is going to need what is behind it.
            found.UnionWith(_addresses.Where(address => address.Value.Workload?.Services.Keys.Any(found.Contains) == true).Select(address => address.Key).ToList());
            found.UnionWith(_addresses.Where(address => IsLocal(subscriber, address.Value) && !subscriber.Names.Contains(address.Key)).Select(address => address.Key));
            subscriber.Names.UnionWith(found);
            response.Resources.AddRange(found.Select(name => Resource(name, _addresses[name])));
            return response;
        }
    }

    private static bool IsLocal(Subscriber subscriber, WireAddress address) => address.Workload is { } workload && workload.Node == subscriber.Node;

    private static bool IsCalled(KeyValuePair<string, WireAddress> address, string name) => address.Key == name || AliasesOf(address.Value).Contains(name);

    private static IEnumerable<string> AliasesOf(WireAddress address) => address.Workload is { } workload
        ? workload.Addresses.Select(bytes => $"{workload.Network}/{Text(bytes)}")
        : address.Service.Addresses.Select(vip => $"{vip.Network}/{Text(vip.Address)}");

    private static string Text(ByteString address) => new IPAddress(address.Span).ToString();

    private static string Nonce() => Guid.NewGuid().ToString();

    private static Resource Resource(string name, WireAddress address) => new()
    {
        Name = name,
        Resource_ = new Any { TypeUrl = AddressType, Value = address.ToByteString() },
    };

    private sealed class Subscriber(Action<DeltaDiscoveryResponse> send)
    {
        public string? Node { get; set; }

        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

        public Action<DeltaDiscoveryResponse> Send { get; } = send;
    }
}
