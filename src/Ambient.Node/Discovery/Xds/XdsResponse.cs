using System.Buffers;
using System.Runtime.InteropServices;
using Ambient.Mesh;
using Google.Protobuf;
using WireAddress = Ambient.Node.Protos.Workloads.Address;
using WireAuthorization = Ambient.Node.Protos.Security.Authorization;

namespace Ambient.Node.Discovery.Xds;

/// <summary>
/// A response of the control plane, read into the mesh model resource by resource: of a hundred thousand workloads, one at a time
/// exists in the form of the wire.
/// </summary>
internal sealed class XdsResponse
{
    private const int Resources = 2;
    private const int TypeUrlField = 4;
    private const int NonceField = 5;
    private const int RemovedField = 6;

    /// <summary>Type of the resources.</summary>
    public string TypeUrl { get; private set; } = "";

    /// <summary>What an answer has to quote.</summary>
    public string Nonce { get; private set; } = "";

    /// <summary>Resources that can be used, in the order in which they came.</summary>
    public List<Accepted> Taken { get; } = [];

    /// <summary>Resources that cannot, and why.</summary>
    public List<(string Name, string Reason)> Refused { get; } = [];

    /// <summary>Names that are gone.</summary>
    public List<string> Removed { get; } = [];

    /// <summary>Bytes of the resources.</summary>
    public long Bytes { get; private set; }

    /// <summary>A resource as the mesh has it.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Version">Its version, echoed when a stream is opened again.</param>
    /// <param name="Model">A <see cref="Workload"/>, <see cref="MeshService"/> or <see cref="AuthorizationPolicy"/>; null for types that are not known.</param>
    public readonly record struct Accepted(string Name, string Version, object? Model);

    /// <summary>Reads a message.</summary>
    /// <exception cref="InvalidProtocolBufferException">It is no message.</exception>
    /// <exception cref="InvalidDataException">It is another message.</exception>
    public static XdsResponse Parse(ReadOnlySequence<byte> message, AddressReader addresses)
    {
        var bytes = message.IsSingleSegment && MemoryMarshal.TryGetArray(message.First, out var segment) ? segment : new ArraySegment<byte>(message.ToArray());
        var response = new XdsResponse();
        var input = new CodedInputStream(bytes.Array ?? [], bytes.Offset, bytes.Count);
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case Resources:
                    var from = (int)input.Position;
                    input.SkipLastField();
                    response.Read(Inner(bytes.Array!, from, (int)input.Position), addresses);
                    break;
                case TypeUrlField:
                    response.TypeUrl = input.ReadString();
                    break;
                case NonceField:
                    response.Nonce = input.ReadString();
                    break;
                case RemovedField:
                    response.Removed.Add(input.ReadString());
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return response;
    }

    private void Read(ArraySegment<byte> resource, AddressReader addresses)
    {
        var (name, version, type, value) = ("", "", "", default(ArraySegment<byte>));
        var input = new CodedInputStream(resource.Array!, resource.Offset, resource.Count);
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    version = input.ReadString();
                    break;
                case 2:
                    var from = (int)input.Position;
                    input.SkipLastField();
                    (type, value) = Any(Inner(resource.Array!, from, (int)input.Position));
                    break;
                case 3:
                    name = input.ReadString();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        Bytes += value.Count;
        try
        {
            var model = ModelOf(type, value, addresses);

            // One instance for the index of versions and for the mesh.
            name = model is Workload workload && workload.Uid == name ? workload.Uid : name;
            Taken.Add(new Accepted(name, version, model));
        }
        catch (Exception e) when (e is ResourceException or InvalidProtocolBufferException or ArgumentException or InvalidOperationException)
        {
            // InvalidOperationException is what Google.Protobuf says to a wrapper message with a tag of 0 in it.
            Refused.Add((name, e.Message));
        }
    }

    private static object? ModelOf(string type, ArraySegment<byte> value, AddressReader addresses)
    {
        switch (type)
        {
            case XdsTypes.Address:
                var address = WireAddress.Parser.ParseFrom(value.Array ?? [], value.Offset, value.Count);
                return address.TypeCase switch
                {
                    WireAddress.TypeOneofCase.Workload => addresses.Read(address.Workload),
                    WireAddress.TypeOneofCase.Service => addresses.Read(address.Service),
                    _ => throw new ResourceException("type: neither a workload nor a service"),
                };
            case XdsTypes.Authorization:
                return AuthorizationReader.Read(WireAuthorization.Parser.ParseFrom(value.Array ?? [], value.Offset, value.Count));
            default:
                return null;
        }
    }

    private static (string Type, ArraySegment<byte> Value) Any(ArraySegment<byte> any)
    {
        var (type, value) = ("", default(ArraySegment<byte>));
        var input = new CodedInputStream(any.Array!, any.Offset, any.Count);
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    type = input.ReadString() switch
                    {
                        XdsTypes.Address => XdsTypes.Address,
                        XdsTypes.Authorization => XdsTypes.Authorization,
                        var other => other,
                    };
                    break;
                case 2:
                    var from = (int)input.Position;
                    input.SkipLastField();
                    value = Inner(any.Array!, from, (int)input.Position);
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return (type, value);
    }

    /// <summary>A nested message without the length before it. Positions are those in the array.</summary>
    private static ArraySegment<byte> Inner(byte[] array, int from, int to)
    {
        var start = new CodedInputStream(array, from, to - from);
        var length = start.ReadLength();
        return start.Position + length == to
            ? new ArraySegment<byte>(array, to - length, length)
            : throw new InvalidDataException("a field that should be a message or bytes is something else");
    }
}
