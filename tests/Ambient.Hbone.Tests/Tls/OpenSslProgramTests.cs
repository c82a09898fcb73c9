using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>OpenSSL's own programs as peers of our records, in both roles: small records, session tickets, key updates begun by either side.</summary>
public sealed class OpenSslProgramTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly TestAuthority _authority = new();
    private readonly PemFiles _files;

    public OpenSslProgramTests() => _files = new PemFiles(_authority.Issue("default", "program"));

    [SkippableTheory]
    [InlineData("")]
    [InlineData("-max_send_frag 512")]
    [InlineData("-ciphersuites TLS_AES_128_GCM_SHA256")]
    public async Task Client_OfOpenSsl_IsEchoedAndMayChangeItsKeys(string arguments)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var program = Start($"s_client -connect {listener.LocalEndPoint} -tls1_3 -alpn h2 -cert {_files.ChainPath} -key {_files.KeyPath} -CAfile {_files.RootsPath} {arguments}");
        await using var transport = await AuthenticateAsync(await listener.AcceptAsync(), isServer: true);
        var echo = EchoAsync(transport);

        await ConverseAsync(program, transport);

        program.Process.StandardInput.Close();
        await echo.WaitAsync(s_patience);
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData("-max_send_frag 512 -num_tickets 4")]
    public async Task Server_OfOpenSsl_IsSpokenToAndMayChangeItsKeys(string arguments)
    {
        var port = FreePort();
        using var program = Start($"s_server -accept 127.0.0.1:{port} -naccept 1 -tls1_3 -alpn h2 -cert {_files.ChainPath} -key {_files.KeyPath} -CAfile {_files.RootsPath} -Verify 3 -verify_return_error {arguments}");
        await program.WaitForAsync("ACCEPT");
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        await using var transport = await AuthenticateAsync(socket, isServer: false);
        var echo = EchoAsync(transport);

        await ConverseAsync(program, transport);

        // Our close_notify is answered with its own.
        await transport.CloseWriteAsync();
        await echo.WaitAsync(s_patience);
    }

    public void Dispose() => _files.Dispose();

    /// <summary>What the program is told to send comes back from us and is shown by it, under one key after another.</summary>
    private static async Task ConverseAsync(Program program, RecordTransport transport)
    {
        await program.SayAsync("hello one\n");
        await program.WaitForAsync("echo: hello one");

        // 'k' changes the program's key; 'K' asks for a new one of ours too, which comes with the next data.
        await program.SayAsync("k\n");
        await program.SayAsync("hello two\n");
        await program.WaitForAsync("echo: hello two");
        await program.SayAsync("K\n");
        await program.SayAsync("hello three\n");
        await program.WaitForAsync("echo: hello three");
        Assert.Equal((2, 1), transport.KeyUpdates);

        // And one that we begin.
        transport.LimitRecords(1);
        await program.SayAsync("hello four " + new string('x', 3000) + "\n");
        await program.WaitForAsync("echo: hello four");
        await program.SayAsync("hello five\n");
        await program.WaitForAsync("echo: hello five");
        Assert.True(transport.KeyUpdates.Ours > 1, $"{transport.KeyUpdates}");
    }

    private static async Task EchoAsync(RecordTransport transport)
    {
        var space = new byte[64 * 1024];
        while (true)
        {
            await transport.WaitToReadAsync();
            var count = transport.TryRead(space);
            if (count < 0)
            {
                return;
            }

            if (count > 0)
            {
                await transport.WriteAsync((byte[])[.. "echo: "u8, .. space.AsSpan(0, count)]);
                await transport.FlushAsync();
            }
        }
    }

    private async Task<RecordTransport> AuthenticateAsync(Socket socket, bool isServer)
    {
        var svid = _authority.Issue("default", "ours");
        var limits = new HandshakeLimits(s_patience, 16 * 1024, 8);
        var check = new PeerCheck(svid.Roots, isServer ? PeerRole.Client : PeerRole.Server, SpiffeIdMatcher.Any, null, limits, TimeProvider.System);
        var transport = await Engines.Native.AuthenticateAsync(new(new SocketChannel(socket, HboneIo.Default.NextLoop()), svid, isServer, check, Turns: null, limits)).WaitAsync(s_patience);
        Assert.Equal("spiffe://cluster.local/ns/default/sa/program", check.Peer!.ToString());
        return Assert.IsType<RecordTransport>(transport);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static Program Start(string arguments)
    {
        try
        {
            return new Program(Process.Start(new ProcessStartInfo("openssl", arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new SkipException("openssl is not installed");
        }
    }

    private sealed class Program : IDisposable
    {
        private readonly StringBuilder _shown = new();

        public Program(Process process)
        {
            Process = process;
            Collect(process.StandardOutput);
            Collect(process.StandardError);
        }

        public Process Process { get; }

        public async Task SayAsync(string text)
        {
            await Process.StandardInput.WriteAsync(text);
            await Process.StandardInput.FlushAsync();

            // A command is one only at the beginning of what the program reads at once.
            await Task.Delay(100);
        }

        public async Task WaitForAsync(string text)
        {
            using var patience = new CancellationTokenSource(s_patience);
            while (true)
            {
                lock (_shown)
                {
                    if (_shown.ToString().Contains(text, StringComparison.Ordinal))
                    {
                        return;
                    }
                }

                try
                {
                    await Task.Delay(10, patience.Token);
                }
                catch (OperationCanceledException)
                {
                    Assert.Fail($"\"{text}\" was not shown, but:\n{_shown}");
                }
            }
        }

        public void Dispose()
        {
            if (!Process.HasExited)
            {
                Process.Kill();
            }

            Process.Dispose();
        }

        private void Collect(StreamReader reader) => _ = Task.Run(async () =>
        {
            var piece = new char[4096];
            for (int count; (count = await reader.ReadAsync(piece)) > 0;)
            {
                lock (_shown)
                {
                    _shown.Append(piece, 0, count);
                }
            }
        });
    }
}
