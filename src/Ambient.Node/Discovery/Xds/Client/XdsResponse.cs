using System.Buffers;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Workloads;
using Google.Protobuf;
using WireAuthorization = Ambient.Node.Protos.Security.Authorization;
using WireWorkload = Ambient.Node.Protos.Workloads.Workload;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>
/// A response of the control plane, read into the mesh model resource by resource: of a hundred thousand workloads, one at a time
/// exists in the form of the wire.
/// </summary>
internal sealed class XdsResponse
{
    private const int SystemVersion = 1;
    private const int Resources = 2;
    private const int TypeUrlField = 4;
    private const int NonceField = 5;
    private const int RemovedField = 6;

    // What resources say that they are: from which one on, usually from the first; and how many of them are not kept.
    private readonly List<Run> _types = [];
    private TimeSpan _decoding;

    /// <summary>Type of the resources.</summary>
    public string TypeUrl { get; private set; } = "";

    /// <summary>The version of everything that was sent of the type, for people; empty: it has none.</summary>
    public string Version { get; private set; } = "";

    /// <summary>What an answer has to quote.</summary>
    public string Nonce { get; private set; } = "";

    /// <summary>Resources that can be used, in the order in which they came.</summary>
    public List<Accepted> Taken { get; } = [];

    /// <summary>How many more say what is in use, and are not kept.</summary>
    public int Unchanged { get; private set; }

    /// <summary>How many of those taken are workloads.</summary>
    public int Workloads { get; private set; }

    /// <summary>Resources that cannot, and why.</summary>
    public List<(string Name, string Reason)> Refused { get; } = [];

    /// <summary>Names that are gone.</summary>
    public List<string> Removed { get; } = [];

    /// <summary>Bytes of the resources.</summary>
    public long Bytes { get; private set; }

    /// <summary>Processor time in which a session's own reader decoded resources; what it had no need to decode is not in it.</summary>
    public TimeSpan Decoding => _decoding;

    /// <summary>A resource as the mesh has it.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Version">Its version, echoed when a stream is opened again.</param>
    /// <param name="Model">A <see cref="Workload"/>, <see cref="MeshService"/> or <see cref="AuthorizationPolicy"/>, what a reader made of a type of its own; null for types that are not known.</param>
    public readonly record struct Accepted(string Name, string Version, object? Model);

    /// <summary>Whether all of it has come.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Reads a message that is whole.</summary>
    /// <param name="message">The message.</param>
    /// <param name="addresses">Reads workloads and services.</param>
    /// <param name="others">Reads other types; null: they are passed over.</param>
    /// <exception cref="InvalidDataException">The bytes are not a DeltaDiscoveryResponse.</exception>
    public static XdsResponse Parse(ReadOnlySequence<byte> message, AddressReader addresses, IResourceReader? others = null)
    {
        var response = new XdsResponse();
        response.Add(message.IsSingleSegment ? message.FirstSpan : message.ToArray(), addresses, others);
        response.Complete();
        return response;
    }

    /// <summary>Reads a part of a message, which ends between two fields.</summary>
    /// <param name="part">The part.</param>
    /// <param name="addresses">Reads workloads and services.</param>
    /// <param name="others">Reads other types; null: they are passed over.</param>
    /// <exception cref="InvalidDataException">The bytes are not of a DeltaDiscoveryResponse.</exception>
    public void Add(ReadOnlySpan<byte> part, AddressReader addresses, IResourceReader? others)
    {
        var fields = new WireFields(part);
        while (fields.MoveNext())
        {
            switch (fields.Number)
            {
                case SystemVersion:
                    Version = fields.Text;
                    break;
                case Resources:
                    Read(fields.Content, addresses, others);
                    break;
                case TypeUrlField:
                    TypeUrl = fields.Text;
                    break;
                case NonceField:
                    Nonce = fields.Text;
                    break;
                case RemovedField:
                    Removed.Add(fields.Text);
                    break;
            }
        }
    }

    /// <summary>Nothing more comes.</summary>
    public void Complete()
    {
        RefuseOtherTypes();
        IsWhole = true;
    }

    // Which type a response has may come after its resources.
    private void RefuseOtherTypes()
    {
        var end = Taken.Count;
        for (var run = _types.Count - 1; run >= 0; run--)
        {
            var (from, type, unchanged) = _types[run];
            if (type != TypeUrl)
            {
                if (unchanged > 0)
                {
                    Unchanged -= unchanged;
                    Refused.Add(($"{unchanged} resources", $"are of the type {type}, in a response of {TypeUrl}"));
                }

                foreach (var other in Taken.GetRange(from, end - from))
                {
                    Refused.Add((other.Name, $"is of the type {type}, in a response of {TypeUrl}"));
                    Workloads -= other.Model is Workload ? 1 : 0;
                }

                Taken.RemoveRange(from, end - from);
            }

            end = from;
        }
    }

    /// <summary>Lets go of the resources: whoever reads the stream holds its last message until the next one comes, which may be hours.</summary>
    public void Release()
    {
        Taken.Clear();
        Taken.TrimExcess();
    }

    private void Read(ReadOnlySpan<byte> resource, AddressReader addresses, IResourceReader? others)
    {
        ReadOnlySpan<byte> name = default, version = default, any = default;
        try
        {
            var fields = new WireFields(resource);
            while (fields.MoveNext())
            {
                switch (fields.Number)
                {
                    case 1:
                        version = fields.Content;
                        break;
                    case 2:
                        any = fields.Content;
                        break;
                    case 3:
                        name = fields.Content;
                        break;
                }
            }

            var model = ModelOf(name, any, addresses, others, out var type);
            if (_types is not [.., var last] || !Ascii.Equals(type, last.Type))
            {
                _types.Add(last = new Run(Taken.Count, Encoding.UTF8.GetString(type), 0));
            }

            if (ReferenceEquals(model, IResourceReader.Unchanged))
            {
                _types[^1] = last with { Unchanged = last.Unchanged + 1 };
                Unchanged++;
                return;
            }

            // One instance for the index of versions and for the mesh.
            var own = model is Workload workload && Ascii.Equals(name, workload.Uid) ? workload.Uid : Encoding.UTF8.GetString(name);
            Taken.Add(new Accepted(own, Encoding.UTF8.GetString(version), model));
            Workloads += model is Workload ? 1 : 0;
        }
        catch (Exception e) when (e is ResourceException or InvalidProtocolBufferException or InvalidDataException or ArgumentException or InvalidOperationException or OverflowException)
        {
            // InvalidOperationException is what Google.Protobuf says to a wrapper message with a tag of 0 in it.
            Refused.Add((Encoding.UTF8.GetString(name), e.Message));
        }
    }

    private object? ModelOf(ReadOnlySpan<byte> name, ReadOnlySpan<byte> any, AddressReader addresses, IResourceReader? others, out ReadOnlySpan<byte> type)
    {
        type = default;
        ReadOnlySpan<byte> value = default;
        var fields = new WireFields(any);
        while (fields.MoveNext())
        {
            switch (fields.Number)
            {
                case 1:
                    type = fields.Content;
                    break;
                case 2:
                    value = fields.Content;
                    break;
            }
        }

        Bytes += value.Length;
        if (type.SequenceEqual(XdsTypes.AddressUtf8))
        {
            return addresses.Read(value);
        }

        if (type.SequenceEqual(XdsTypes.AuthorizationUtf8))
        {
            return AuthorizationReader.Read(WireAuthorization.Parser.ParseFrom(value));
        }

        if (type.SequenceEqual(XdsTypes.WorkloadUtf8))
        {
            return addresses.Read(WireWorkload.Parser.ParseFrom(value));
        }

        return others?.Read(type, name, value, ref _decoding);
    }

    /// <summary>Resources of one type, one after another.</summary>
    /// <param name="From">How many were taken before them.</param>
    /// <param name="Type">What they say that they are.</param>
    /// <param name="Unchanged">How many of them are not kept.</param>
    private readonly record struct Run(int From, string Type, int Unchanged);
}
