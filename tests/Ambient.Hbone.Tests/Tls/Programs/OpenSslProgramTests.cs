using System.Diagnostics;

namespace Ambient.Hbone.Tests.Tls.Programs;

/// <summary>OpenSSL's own programs as peers of our records, in both roles: small records, session tickets, key updates begun by either side.</summary>
public sealed class OpenSslProgramTests
{
    [SkippableTheory]
    [InlineData("")]
    [InlineData("-max_send_frag 512")]
    [InlineData("-ciphersuites TLS_AES_128_GCM_SHA256")]
    public async Task Client_IsEchoedAndMayChangeItsKeys(string arguments)
    {
        await using var peer = new ProgramPeer();
        using var program = Start(peer, $"s_client -connect 127.0.0.1:{peer.Port}", arguments);
        await peer.AcceptAsync();
        await program.WaitForAsync("ALPN protocol: h2\n");

        await ConverseAsync(program, peer);

        program.Hush();
        await peer.EndAsync();
    }

    /// <summary>There is no resumption, so nothing that early data could go with.</summary>
    [SkippableFact]
    public async Task Client_GetsNoTicket_AndMaySendNothingEarly()
    {
        await using var peer = new ProgramPeer();
        var session = Path.Combine(peer.Files.Folder, "session.pem");
        using var program = Start(peer, $"s_client -connect 127.0.0.1:{peer.Port}", $"-sess_out {session}");
        await peer.AcceptAsync();
        await ProgramPeer.ConverseAsync(program, "hello");

        // A ticket would have come before what it was told, and be in the file.
        Assert.Contains("Early data was not sent", program.Shown, StringComparison.Ordinal);
        Assert.False(File.Exists(session));

        program.Hush();
        await peer.EndAsync();
    }

    /// <summary>A ticket of somebody else's, under whose keys the client sends at once: the handshake is made in full, and what came early is nobody's.</summary>
    [SkippableFact]
    public async Task Client_SendsEarlyData_NothingOfItArrives()
    {
        await using var peer = new ProgramPeer();
        var session = Path.Combine(peer.Files.Folder, "session.pem");
        var early = Path.Combine(peer.Files.Folder, "early");
        await File.WriteAllTextAsync(early, new string('e', 4000));
        var port = ProgramPeer.FreePort();
        using (var stranger = Start(peer, $"s_server -accept 127.0.0.1:{port} -naccept 1", "-early_data -max_early_data 8000"))
        {
            await stranger.WaitForAsync("ACCEPT");
            using var first = Start(peer, $"s_client -connect 127.0.0.1:{port}", $"-sess_out {session}");

            // What it shows of a ticket it keeps in a buffer until it ends; the ticket is in its file before.
            for (var waited = Stopwatch.StartNew(); !File.Exists(session) || new FileInfo(session).Length == 0; await Task.Delay(10))
            {
                Assert.True(waited.Elapsed < ForeignProgram.Patience, $"no ticket came: {stranger.Shown}");
            }

            first.Hush();
            await first.WaitForAsync("Max Early Data: 8000");
        }

        using var program = Start(peer, $"s_client -connect 127.0.0.1:{peer.Port}", $"-sess_in {session} -early_data {early}");
        await peer.AcceptAsync();
        await program.WaitForAsync("Early data was rejected");
        Assert.Contains("New, TLSv1.3", program.Shown, StringComparison.Ordinal);

        // Only what follows is read, from its first byte.
        await ProgramPeer.ConverseAsync(program, "hello");

        program.Hush();
        await peer.EndAsync();
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData("-max_send_frag 512 -num_tickets 4")]
    public async Task Server_IsSpokenToAndMayChangeItsKeys(string arguments)
    {
        await using var peer = new ProgramPeer();
        var port = ProgramPeer.FreePort();
        using var program = Start(peer, $"s_server -accept 127.0.0.1:{port} -naccept 1 -Verify 3 -verify_return_error", arguments);
        await program.WaitForAsync("ACCEPT");
        await peer.ConnectAsync(port);
        await program.WaitForAsync("ALPN protocols advertised by the client: h2\n");
        await program.WaitForAsync("ALPN protocols selected: h2\n");

        await ConverseAsync(program, peer);

        // Our close_notify is answered with its own.
        await peer.Transport.CloseWriteAsync();
        await peer.EndAsync();
    }

    private static async Task ConverseAsync(ForeignProgram program, ProgramPeer peer)
    {
        await ProgramPeer.ConverseAsync(program, "hello one");

        // 'k' changes the program's key; 'K' asks for a new one of ours too, which comes with the next data.
        await peer.UpdateAsync(program, "k", times: 1);
        await ProgramPeer.ConverseAsync(program, "hello two");
        await peer.UpdateAsync(program, "K", times: 2);
        await ProgramPeer.ConverseAsync(program, "hello three");
        Assert.Equal((2, 1), peer.Transport.KeyUpdates);

        await peer.ConverseUnderNewKeysAsync(program);
    }

    private static ForeignProgram Start(ProgramPeer peer, string role, string arguments) => ForeignProgram.Start(
        "openssl", $"{role} -tls1_3 -alpn h2 -cert {peer.Files.ChainPath} -key {peer.Files.KeyPath} -CAfile {peer.Files.RootsPath} {arguments}");
}
