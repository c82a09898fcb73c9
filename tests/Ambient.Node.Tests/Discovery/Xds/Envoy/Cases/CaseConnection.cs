using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>A connection to an endpoint: its first bytes tell what it is served as.</summary>
internal static class CaseConnection
{
    /// <summary>The port whose server speaks first.</summary>
    public const int SpeaksFirst = 3306;

    public const string Greeting = "ready\n";

    private static readonly byte[] s_proxyV2 = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

    // Ports whose TLS is the client's own, about whose bytes nobody needs to know.
    private static readonly int[] s_opaqueTls = [5443, 8443, 9443];

    public static async Task ServeAsync(Socket socket, CaseOrigin origin, MessageServer server, ConcurrentQueue<CaseSeen> seen)
    {
        try
        {
            socket.NoDelay = true;
            if (origin.End.Port == SpeaksFirst)
            {
                seen.Enqueue(new CaseSeen(origin, null, "", "", [], 0));
                await socket.SendAsync(Encoding.ASCII.GetBytes(Greeting));
            }

            var first = await PeekAsync(socket);
            if (first.AsSpan().StartsWith(s_proxyV2) || first.AsSpan().StartsWith("PROXY "u8))
            {
                origin = origin with { Proxy = await TakeProxyHeaderAsync(socket, first[0] == 'P') };
                first = await PeekAsync(socket);
            }

            if (first is [0x16, ..])
            {
                await ServeTlsAsync(socket, origin, server, seen);
            }
            else if (IsHttp(first))
            {
                await server.ServeAsync(MessageChannel.Over(socket, HboneIo.Default), origin, null, CancellationToken.None);
            }
            else
            {
                using var stream = new NetworkStream(socket, ownsSocket: true);
                await EchoAsync(stream, origin, seen);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or AuthenticationException)
        {
            socket.Dispose();
        }
    }

    /// <summary>A method in capitals, or the preface of HTTP/2.</summary>
    private static bool IsHttp(byte[] first) => first.AsSpan().IndexOf((byte)' ') is > 0 and < 10 and var end && first.Take(end).All(letter => letter is >= (byte)'A' and <= (byte)'Z');

    private static async Task<byte[]> PeekAsync(Socket socket)
    {
        var buffer = new byte[16];
        var count = await socket.ReceiveAsync(buffer, SocketFlags.Peek);
        return buffer[..count];
    }

    private static async Task<string> TakeProxyHeaderAsync(Socket socket, bool isText)
    {
        if (isText)
        {
            var line = new StringBuilder();
            var letter = new byte[1];
            while (!line.ToString().EndsWith('\n') && await socket.ReceiveAsync(letter) == 1)
            {
                line.Append((char)letter[0]);
            }

            return $"v1 {line.ToString().Split(' ')[1]}";
        }

        var head = new byte[16];
        await ReceiveAsync(socket, head);
        await ReceiveAsync(socket, new byte[BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(14))]);
        return $"v2 {head[13]:x2}";
    }

    private static async Task ReceiveAsync(Socket socket, byte[] buffer)
    {
        for (var count = 0; count < buffer.Length;)
        {
            count += await socket.ReceiveAsync(buffer.AsMemory(count)) is > 0 and var more ? more : throw new IOException("it ended");
        }
    }

    private static async Task ServeTlsAsync(Socket socket, CaseOrigin origin, MessageServer server, ConcurrentQueue<CaseSeen> seen)
    {
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        string? asked = null;
        await tls.AuthenticateAsServerAsync(
            (_, hello, _, _) =>
            {
                asked = hello.ServerName;
                return ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificate = CaseCertificates.Recorded,
                    ClientCertificateRequired = true,
#pragma warning disable CA5359 // Which certificate it is the test compares; whether it is trusted is not its question.
                    RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
                });
            },
            null);
        origin = origin with { ServerName = asked ?? "", Shown = tls.RemoteCertificate?.Subject };
        if (s_opaqueTls.Contains(origin.End.Port))
        {
            await EchoAsync(tls, origin, seen);
            return;
        }

        await server.ServeAsync(MessageChannel.Over(tls), origin, tls.NegotiatedApplicationProtocol == SslApplicationProtocol.Http2 ? HttpProtocolVersion.Http2 : null, CancellationToken.None);
    }

    /// <summary>Says again what is said.</summary>
    private static async Task EchoAsync(Stream stream, CaseOrigin origin, ConcurrentQueue<CaseSeen> seen)
    {
        var buffer = new byte[4096];
        var isFirst = origin.End.Port != SpeaksFirst;
        while (await stream.ReadAsync(buffer) is > 0 and var count)
        {
            if (isFirst)
            {
                seen.Enqueue(new CaseSeen(origin, null, "", Encoding.Latin1.GetString(buffer, 0, count), [], count));
                isFirst = false;
            }

            await stream.WriteAsync(buffer.AsMemory(0, count));
        }
    }
}
