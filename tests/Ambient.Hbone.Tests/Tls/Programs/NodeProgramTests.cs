namespace Ambient.Hbone.Tests.Tls.Programs;

/// <summary>Node's TLS as a peer of our records, in both roles, with small and with full records. It cannot be told to change its keys; we change ours.</summary>
public sealed class NodeProgramTests
{
    [SkippableTheory]
    [InlineData(512)]
    [InlineData(16384)]
    public async Task Client_IsEchoed(int fragment)
    {
        await using var peer = new ProgramPeer();
        using var program = Start("client", peer.Port, peer, fragment);
        await peer.AcceptAsync();
        await program.WaitForAsync("open: TLSv1.3 h2");

        await ProgramPeer.ConverseAsync(program, "hello");
        await peer.ConverseUnderNewKeysAsync(program);

        program.Hush();
        await peer.EndAsync();
    }

    [SkippableTheory]
    [InlineData(512)]
    [InlineData(16384)]
    public async Task Server_IsSpokenTo(int fragment)
    {
        await using var peer = new ProgramPeer();
        var port = ProgramPeer.FreePort();
        using var program = Start("server", port, peer, fragment);
        await program.WaitForAsync("listening");
        await peer.ConnectAsync(port);
        await program.WaitForAsync("open: TLSv1.3 h2");

        await ProgramPeer.ConverseAsync(program, "hello");
        await peer.ConverseUnderNewKeysAsync(program);

        await peer.Transport.CloseWriteAsync();
        await peer.EndAsync();
    }

    private static ForeignProgram Start(string role, int port, ProgramPeer peer, int fragment) =>
        ForeignProgram.Start("node", $"{Path.Combine(AppContext.BaseDirectory, "Tls", "Programs", "talk.js")} {role} {port} {peer.Files.Folder} {fragment}");
}
