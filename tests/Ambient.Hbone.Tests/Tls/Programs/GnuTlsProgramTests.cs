using System.Text;

namespace Ambient.Hbone.Tests.Tls.Programs;

/// <summary>GnuTLS's programs (Debian's gnutls-bin) as peers of our records, in both roles: small records, key updates begun by either side.</summary>
public sealed class GnuTlsProgramTests
{
    private const string Tls13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3";

    [SkippableTheory]
    [InlineData(Tls13, "")]
    [InlineData(Tls13 + ":-AES-256-GCM", "--recordsize=512")]
    public async Task Client_IsEchoedAndMayChangeItsKeys(string priority, string arguments)
    {
        await using var peer = new ProgramPeer();

        // It has no way to be told that a SPIFFE ID is the name to expect; our side verifies both chains' rules all the same.
        using var program = ForeignProgram.Start(
            "gnutls-cli",
            $"--port={peer.Port} --insecure --inline-commands --alpn=h2 --priority={priority} --x509cafile={peer.Files.RootsPath} --x509certfile={peer.Files.ChainPath} --x509keyfile={peer.Files.KeyPath} {arguments} 127.0.0.1");
        await peer.AcceptAsync();
        await program.WaitForAsync("Simple Client Mode");
        Assert.Contains("- Application protocol: h2\n", program.Shown, StringComparison.Ordinal);

        await ProgramPeer.ConverseAsync(program, "hello one");

        // The first changes the program's key; the second asks for a new one of ours too, which comes with the next data.
        await peer.UpdateAsync(program, "^rekey1^", times: 1);
        await ProgramPeer.ConverseAsync(program, "hello two");
        await peer.UpdateAsync(program, "^rekey^", times: 2);
        await ProgramPeer.ConverseAsync(program, "hello three");
        Assert.Equal((2, 1), peer.Transport.KeyUpdates);

        // It drops what of a line does not fit into one of its records.
        await peer.ConverseUnderNewKeysAsync(program, length: 400);
        program.Hush();
        await peer.EndAsync();
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData("--recordsize=512")]
    public async Task Server_EchoesUs_AndMayChangeItsKeys(string arguments)
    {
        await using var peer = new ProgramPeer();
        var port = ProgramPeer.FreePort();
        using var program = ForeignProgram.Start(
            "gnutls-serv",
            $"--echo --port={port} --require-client-cert --verify-client-cert --alpn=h2 --priority={Tls13} --x509cafile={peer.Files.RootsPath} --x509certfile={peer.Files.ChainPath} --x509keyfile={peer.Files.KeyPath} {arguments}");
        await program.WaitForAsync("listening on IPv4");
        await peer.ConnectAsync(port, echoes: false);
        await program.WaitForAsync("- Application protocol: h2\n");

        await EchoedAsync("hello one\n");

        // To it, a new handshake under TLS 1.3 is a key update that asks for ours as well.
        await peer.Transport.WriteAsync("**REHANDSHAKE**\n"u8.ToArray());
        await peer.Transport.FlushAsync();
        await EchoedAsync("hello two\n", lead: "Successfully executed command\n");
        await EchoedAsync("hello three\n");
        Assert.Equal((1, 1), peer.Transport.KeyUpdates);

        peer.Transport.LimitRecords(1);
        await EchoedAsync(new string('x', 3000) + "\n");
        await EchoedAsync("under the new key\n");
        Assert.True(peer.Transport.KeyUpdates.Ours > 2, $"{peer.Transport.KeyUpdates}");

        async Task EchoedAsync(string text, string lead = "")
        {
            await peer.Transport.WriteAsync(Encoding.ASCII.GetBytes(text));
            await peer.Transport.FlushAsync();
            var (got, space) = (new StringBuilder(), new byte[64 * 1024]);
            while (got.Length < lead.Length + text.Length)
            {
                await peer.Transport.WaitToReadAsync().AsTask().WaitAsync(ForeignProgram.Patience);
                var count = peer.Transport.TryRead(space);
                Assert.True(count >= 0, $"it ended behind {got}");
                got.Append(Encoding.ASCII.GetString(space, 0, count));
            }

            Assert.Equal(lead + text, got.ToString());
        }
    }
}
