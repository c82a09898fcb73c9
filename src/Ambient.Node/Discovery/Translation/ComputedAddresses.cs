using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Addresses for pods and services of one machine that have none. An address follows from the name, so every process that
/// reads the same manifests computes the same ones and they survive restarts; two names that collide are told apart by
/// probing, for which the caller asks in a fixed order.
/// </summary>
/// <param name="range">Where they are taken from: IPv4, at least 256 addresses.</param>
internal sealed class ComputedAddresses(IPNetwork range)
{
    private readonly uint _network = ToUInt32(range.BaseAddress);
    private readonly uint _size = 1u << (32 - range.PrefixLength);
    private readonly HashSet<uint> _taken = [];

    /// <summary>Where pods' are taken from unless told otherwise: loopback, so that all of them are on this machine.</summary>
    public static IPNetwork Pods { get; } = IPNetwork.Parse("127.64.0.0/10");

    /// <summary>Where services' are taken from unless told otherwise.</summary>
    public static IPNetwork Services { get; } = IPNetwork.Parse("127.128.0.0/10");

    /// <summary>Whether addresses can be taken from a range.</summary>
    public static bool Allows(IPNetwork range) =>
        range.BaseAddress.AddressFamily == AddressFamily.InterNetwork && range.PrefixLength is >= 8 and <= 24;

    /// <summary>Keeps an address from being given out.</summary>
    public void Reserve(IPAddress address)
    {
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            _taken.Add(ToUInt32(address));
        }
    }

    /// <summary>The address of <paramref name="key"/>, <c>namespace/name</c>.</summary>
    public IPAddress Take(string key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(key), hash);
        var offset = BinaryPrimitives.ReadUInt32BigEndian(hash) % _size;
        for (uint probe = 0; probe < _size; probe++)
        {
            var candidate = _network + ((offset + probe) % _size);

            // .0 and .255 are valid here but look like a network and its broadcast address to every tool and reader.
            if ((byte)candidate is not (0 or 255) && _taken.Add(candidate))
            {
                Span<byte> bytes = stackalloc byte[4];
                BinaryPrimitives.WriteUInt32BigEndian(bytes, candidate);
                return new IPAddress(bytes);
            }
        }

        throw new InvalidOperationException($"no address is left for {key}");
    }

    private static uint ToUInt32(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        address.TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }
}
