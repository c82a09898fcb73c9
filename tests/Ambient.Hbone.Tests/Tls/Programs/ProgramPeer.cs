using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests.Tls.Programs;

/// <summary>Our side of a conversation with a program: the native engine in either role, which sends back each line that it gets behind "echo: ".</summary>
internal sealed class ProgramPeer : IAsyncDisposable
{
    private const string Echo = "echo: ";
    private readonly TestAuthority _authority = new();
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private RecordTransport? _transport;
    private Task _echoing = Task.CompletedTask;

    public ProgramPeer()
    {
        Files = new PemFiles(_authority.Issue("default", "program"));
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
    }

    /// <summary>What the program presents, and its roots.</summary>
    public PemFiles Files { get; }

    /// <summary>Where we listen; for a program that is the server, a port that is free once <see cref="ConnectAsync"/> has been told.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public RecordTransport Transport => _transport ?? throw new InvalidOperationException("not connected");

    /// <summary>A port that nobody has at the moment.</summary>
    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Takes the program as a client, and echoes.</summary>
    public async Task AcceptAsync()
    {
        using var patience = new CancellationTokenSource(ForeignProgram.Patience);
        await AuthenticateAsync(await _listener.AcceptAsync(patience.Token), isServer: true);
        _echoing = EchoAsync();
    }

    /// <summary>Connects to the program, which listens, and echoes if that is wanted.</summary>
    public async Task ConnectAsync(int port, bool echoes = true)
    {
        // GnuTLS's server says that it listens before it does.
        using var patience = new CancellationTokenSource(ForeignProgram.Patience);
        Socket socket;
        while (true)
        {
            socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, patience.Token);
                break;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                socket.Dispose();
                await Task.Delay(20, patience.Token);
            }
        }

        await AuthenticateAsync(socket, isServer: false);
        _echoing = echoes ? EchoAsync() : Task.CompletedTask;
    }

    /// <summary>What the program is told to send comes back and is shown by it.</summary>
    public static async Task ConverseAsync(ForeignProgram program, string line)
    {
        await program.SayAsync(line + "\n");
        await program.WaitForAsync(Echo + line);
    }

    /// <summary>Tells the program to change its key, and waits until it has: so many times by now.</summary>
    public async Task UpdateAsync(ForeignProgram program, string command, int times)
    {
        await program.SayAsync(command + "\n");
        for (var waited = Stopwatch.StartNew(); Transport.KeyUpdates.Theirs < times; await Task.Delay(10))
        {
            Assert.True(waited.Elapsed < ForeignProgram.Patience, $"\"{command}\" had no effect: {Transport.KeyUpdates}");
        }
    }

    /// <summary>A conversation with a long line, under keys of ours that we change by ourselves.</summary>
    public async Task ConverseUnderNewKeysAsync(ForeignProgram program, int length = 3000)
    {
        var before = Transport.KeyUpdates.Ours;
        Transport.LimitRecords(1);
        await ConverseAsync(program, "before the new key " + new string('x', length));
        await ConverseAsync(program, "under the new key");
        Assert.True(Transport.KeyUpdates.Ours > before, $"{Transport.KeyUpdates}");
    }

    /// <summary>Waits until the peer has ended in order.</summary>
    public Task EndAsync() => _echoing.WaitAsync(ForeignProgram.Patience);

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        if (_transport is not null)
        {
            await _transport.DisposeAsync();
        }

        try
        {
            await _echoing.WaitAsync(ForeignProgram.Patience);
        }
        catch (IOException)
        {
            // The test ended before the conversation did.
        }

        Files.Dispose();
    }

    /// <summary>Line by line: a program cuts what it sends into records as it likes.</summary>
    private async Task EchoAsync()
    {
        var space = new byte[64 * 1024];
        var line = new List<byte>();
        while (true)
        {
            await Transport.WaitToReadAsync();
            var count = Transport.TryRead(space);
            if (count < 0)
            {
                return;
            }

            foreach (var each in space.AsSpan(0, count).ToArray())
            {
                line.Add(each);
                if (each == (byte)'\n')
                {
                    await Transport.WriteAsync((byte[])[.. "echo: "u8, .. line]);
                    await Transport.FlushAsync();
                    line.Clear();
                }
            }
        }
    }

    private async Task AuthenticateAsync(Socket socket, bool isServer)
    {
        var svid = _authority.Issue("default", "ours");
        var limits = new HandshakeLimits(ForeignProgram.Patience, 16 * 1024, 8);
        var check = new PeerCheck(svid.Roots, isServer ? PeerRole.Client : PeerRole.Server, SpiffeIdMatcher.Any, null, limits, TimeProvider.System);
        var transport = await Engines.Native.AuthenticateAsync(new(new SocketChannel(socket, HboneIo.Default.NextLoop()), svid, isServer, check, Turns: null, limits))
            .WaitAsync(ForeignProgram.Patience);
        Assert.Equal("spiffe://cluster.local/ns/default/sa/program", check.Peer!.ToString());
        _transport = Assert.IsType<RecordTransport>(transport);
    }
}
