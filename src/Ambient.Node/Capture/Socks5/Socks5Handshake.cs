using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Node.Capture.Socks5;

/// <summary>
/// The server's side of SOCKS5 (RFC 1928): version 5, no authentication, CONNECT only. Reads exactly the handshake and not a byte
/// more, because what follows belongs to the connection.
/// </summary>
internal static class Socks5Handshake
{
    private const byte Version = 5;

    /// <summary>Reads greeting and request; answers the greeting.</summary>
    /// <exception cref="Socks5Exception">The client does not speak what we do; the exception has the reply code.</exception>
    /// <exception cref="SocketException">The client broke off.</exception>
    public static async ValueTask<Socks5Target> ReadAsync(Socket client, CancellationToken cancellationToken)
    {
        var buffer = new byte[262];

        // Greeting: version, count, methods.
        await FillAsync(client, buffer.AsMemory(0, 2), cancellationToken).ConfigureAwait(false);
        Require(buffer[0] == Version, "not SOCKS version 5");
        var methods = buffer.AsMemory(2, buffer[1]);
        Require(!methods.IsEmpty, "no authentication method offered");
        await FillAsync(client, methods, cancellationToken).ConfigureAwait(false);
        Require(methods.Span.Contains((byte)0), "only the method without authentication is supported");
        await SendAsync(client, new byte[] { Version, 0 }, cancellationToken).ConfigureAwait(false);

        // Request: version, command, reserved, kind of address.
        await FillAsync(client, buffer.AsMemory(0, 4), cancellationToken).ConfigureAwait(false);
        Require(buffer[0] == Version, "not SOCKS version 5");
        Require(buffer[1] == 1, "only CONNECT is supported");
        switch (buffer[3])
        {
            case 1:
                await FillAsync(client, buffer.AsMemory(0, 6), cancellationToken).ConfigureAwait(false);
                return new Socks5Target(null, new IPAddress(buffer.AsSpan(0, 4)), Port(buffer.AsSpan(4)));
            case 4:
                await FillAsync(client, buffer.AsMemory(0, 18), cancellationToken).ConfigureAwait(false);
                var address = new IPAddress(buffer.AsSpan(0, 16));
                return new Socks5Target(null, address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, Port(buffer.AsSpan(16)));
            case 3:
                await FillAsync(client, buffer.AsMemory(0, 1), cancellationToken).ConfigureAwait(false);
                var length = buffer[0];
                await FillAsync(client, buffer.AsMemory(0, length + 2), cancellationToken).ConfigureAwait(false);
                var name = buffer.AsSpan(0, length);

                // Hostnames are ASCII without blanks (RFC 1123); anything else would only end up in a log.
                Require(length > 0 && !name.ContainsAnyExceptInRange((byte)'!', (byte)'~'), "the domain name is not legal");
                var text = Encoding.ASCII.GetString(name);
                return IPAddress.TryParse(text, out var literal)
                    ? new Socks5Target(null, literal, Port(buffer.AsSpan(length)))
                    : new Socks5Target(text, null, Port(buffer.AsSpan(length)));
            default:
                throw new Socks5Exception(Socks5Reply.NotSupported, "unknown kind of address");
        }
    }

    /// <summary>Answers the request; the bound address is always 0.0.0.0:0.</summary>
    public static ValueTask ReplyAsync(Socket client, Socks5Reply reply, CancellationToken cancellationToken) =>
        SendAsync(client, new byte[] { Version, (byte)reply, 0, 1, 0, 0, 0, 0, 0, 0 }, cancellationToken);

    private static int Port(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16BigEndian(bytes);

    private static void Require(bool condition, string fault)
    {
        if (!condition)
        {
            throw new Socks5Exception(Socks5Reply.NotSupported, fault);
        }
    }

    private static async ValueTask FillAsync(Socket client, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            var read = await client.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new Socks5Exception(Socks5Reply.Failure, "the client broke off");
            }

            buffer = buffer[read..];
        }
    }

    private static async ValueTask SendAsync(Socket client, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await client.SendAsync(bytes, cancellationToken).ConfigureAwait(false)..];
        }
    }
}

/// <summary>What a client asks for: a name or an address, and a port.</summary>
internal readonly record struct Socks5Target(string? Name, IPAddress? Address, int Port)
{
    /// <summary>As text, for a log.</summary>
    public override string ToString() => $"{Name ?? Address?.ToString()}:{Port}";
}

/// <summary>Reply codes of RFC 1928 section 6 that we send.</summary>
internal enum Socks5Reply : byte
{
    /// <summary>Granted.</summary>
    Succeeded = 0,

    /// <summary>Something went wrong here.</summary>
    Failure = 1,

    /// <summary>The name is unknown.</summary>
    HostUnreachable = 4,

    /// <summary>Not what we speak.</summary>
    NotSupported = 7,
}

/// <summary>A client that cannot be served.</summary>
internal sealed class Socks5Exception(Socks5Reply reply, string message) : Exception(message)
{
    /// <summary>Code to answer with.</summary>
    public Socks5Reply Reply { get; } = reply;
}
