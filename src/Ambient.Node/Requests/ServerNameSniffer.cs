using System.Buffers.Binary;
using System.Text;
using Ambient.Hbone.Messages;

namespace Ambient.Node.Requests;

/// <summary>
/// Finds the server name (RFC 6066 section 3) in the ClientHello of a TLS handshake that is only passed through (RFC 8446 section 4.1.2),
/// without taking the bytes.
/// </summary>
internal static class ServerNameSniffer
{
    // What a hello may take, in records and their headers; longer ones are not waited for.
    private const int MaxHello = 16 * 1024;
    private const int RecordHeader = 5;
    private const ushort ServerName = 0;

    /// <summary>
    /// Waits for the hello. The name in lower case; empty when the bytes are not TLS, or name no server; null when they do not tell: the client does
    /// not speak, or its hello is malformed or too long.
    /// </summary>
    /// <param name="channel">The client's side.</param>
    /// <param name="patience">Ends the wait, and leaves the channel as it is.</param>
    /// <param name="cancellationToken">Ends the channel.</param>
    /// <exception cref="IOException">The channel failed.</exception>
    public static async ValueTask<string?> DetectAsync(MessageChannel channel, CancellationToken patience, CancellationToken cancellationToken)
    {
        for (var seen = 0; ;)
        {
            var bytes = await channel.PeekPatientlyAsync(MaxHello, patience, cancellationToken).ConfigureAwait(false);
            if (TryRead(bytes.Span, out var name))
            {
                return name;
            }

            if (bytes.Length == seen)
            {
                return null;
            }

            seen = bytes.Length;
        }
    }

    /// <summary>Whether the bytes so far tell, and what.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out string? name)
    {
        name = "";
        if (bytes.IsEmpty)
        {
            return false;
        }

        if (bytes[0] != 0x16)
        {
            return true; // not a handshake record: not TLS
        }

        name = null;
        if (!TryReadHello(bytes, out var hello))
        {
            return bytes.Length >= MaxHello;
        }

        name = hello is null || !TryFind(hello, ServerName, out var extension) ? null : extension is null ? "" : HostIn(extension);
        return true;
    }

    /// <summary>The body of an extension of a hello that is there as a whole, and well-formed; false where it is not, or has no such extension.</summary>
    public static bool TryReadExtension(ReadOnlySpan<byte> bytes, ushort type, out byte[] extension)
    {
        extension = [];
        if (!TryReadHello(bytes, out var hello) || hello is null || !TryFind(hello, type, out var found) || found is null)
        {
            return false;
        }

        extension = found;
        return true;
    }

    /// <summary>The body of a hello: null when it is malformed or too long. False: not all of it is there.</summary>
    private static bool TryReadHello(ReadOnlySpan<byte> bytes, out byte[]? body)
    {
        body = null;
        bytes = bytes[..Math.Min(bytes.Length, MaxHello)];
        var hello = new byte[bytes.Length];
        var (read, written) = (0, 0);
        while (bytes.Length - read >= RecordHeader)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(bytes[(read + 3)..]);
            if (bytes[read] != 0x16 || bytes[read + 1] != 3 || length == 0)
            {
                return true;
            }

            var available = Math.Min(length, bytes.Length - read - RecordHeader);
            bytes.Slice(read + RecordHeader, available).CopyTo(hello.AsSpan(written));
            (read, written) = (read + RecordHeader + available, written + available);
        }

        if (written >= 4)
        {
            var length = (hello[1] << 16) | BinaryPrimitives.ReadUInt16BigEndian(hello.AsSpan(2));
            if (hello[0] != 1 || length > MaxHello)
            {
                return true;
            }

            if (written >= 4 + length)
            {
                body = hello.AsSpan(4, length).ToArray();
                return true;
            }
        }

        return false;
    }

    /// <summary>An extension in the body of a hello; null when it has none. False: the hello is malformed, or has the extension twice.</summary>
    private static bool TryFind(ReadOnlySpan<byte> hello, ushort wanted, out byte[]? found)
    {
        found = null;

        // version, random; then session id, cipher suites and compression methods, each after its length
        if (!Skip(ref hello, 34) || !Vector(ref hello, 1, out _) || !Vector(ref hello, 2, out _) || !Vector(ref hello, 1, out _))
        {
            return false;
        }

        if (hello.IsEmpty)
        {
            return true; // no extensions
        }

        if (!Vector(ref hello, 2, out var extensions) || !hello.IsEmpty)
        {
            return false;
        }

        while (!extensions.IsEmpty)
        {
            if (extensions.Length < 2)
            {
                return false;
            }

            var type = BinaryPrimitives.ReadUInt16BigEndian(extensions);
            extensions = extensions[2..];
            if (!Vector(ref extensions, 2, out var extension))
            {
                return false;
            }

            if (type == wanted)
            {
                // A second one would be a second opinion: RFC 8446 section 4.2 forbids it.
                if (found is not null)
                {
                    return false;
                }

                found = extension.ToArray();
            }
        }

        return true;
    }

    private static string? HostIn(ReadOnlySpan<byte> extension)
    {
        if (!Vector(ref extension, 2, out var names) || !extension.IsEmpty || names.IsEmpty || names[0] != 0)
        {
            return null;
        }

        names = names[1..];
        return Vector(ref names, 2, out var host) && names.IsEmpty && !host.IsEmpty && !host.ContainsAnyExceptInRange((byte)'!', (byte)'~')
            ? Encoding.ASCII.GetString(host).ToLowerInvariant()
            : null;
    }

    private static bool Skip(ref ReadOnlySpan<byte> bytes, int count)
    {
        if (bytes.Length < count)
        {
            return false;
        }

        bytes = bytes[count..];
        return true;
    }

    private static bool Vector(ref ReadOnlySpan<byte> bytes, int lengthBytes, out ReadOnlySpan<byte> vector)
    {
        vector = default;
        if (bytes.Length < lengthBytes)
        {
            return false;
        }

        var length = lengthBytes == 1 ? bytes[0] : BinaryPrimitives.ReadUInt16BigEndian(bytes);
        if (bytes.Length < lengthBytes + length)
        {
            return false;
        }

        vector = bytes.Slice(lengthBytes, length);
        bytes = bytes[(lengthBytes + length)..];
        return true;
    }
}
