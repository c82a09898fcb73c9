using System.Diagnostics;

namespace Ambient.Hbone.Tests.Tls.Programs;

/// <summary>
/// Go's TLS as a peer of our records, in both roles: its records begin small and grow, and it answers key updates that ask for its own. It
/// cannot be told to change its keys; we change ours.
/// </summary>
public sealed class GoProgramTests : IClassFixture<GoProgramTests.Compiled>
{
    private readonly Compiled _compiled;

    public GoProgramTests(Compiled compiled) => _compiled = compiled;

    [SkippableFact]
    public async Task Client_IsEchoed()
    {
        await using var peer = new ProgramPeer();
        using var program = _compiled.Start("client", peer.Port, peer);
        await peer.AcceptAsync();
        await program.WaitForAsync("open: 304 h2");

        await ProgramPeer.ConverseAsync(program, "hello");
        await peer.ConverseUnderNewKeysAsync(program);

        program.Hush();
        await peer.EndAsync();
    }

    [SkippableFact]
    public async Task Server_IsSpokenTo()
    {
        await using var peer = new ProgramPeer();
        var port = ProgramPeer.FreePort();
        using var program = _compiled.Start("server", port, peer);
        await program.WaitForAsync("listening");
        await peer.ConnectAsync(port);
        await program.WaitForAsync("open: 304 h2");

        await ProgramPeer.ConverseAsync(program, "hello");
        await peer.ConverseUnderNewKeysAsync(program);

        await peer.Transport.CloseWriteAsync();
        await peer.EndAsync();
    }

    /// <summary>The program, compiled once.</summary>
    public sealed class Compiled : IAsyncLifetime
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("ambient-go-").FullName;
        private string _fault = "go is not installed";

        private string Binary => Path.Combine(_folder, "talk");

        public async Task InitializeAsync()
        {
            var start = new ProcessStartInfo("go", ["build", "-o", Binary, Path.Combine(AppContext.BaseDirectory, "Tls", "Programs", "talk.go")])
            {
                RedirectStandardError = true,
                Environment = { ["GO111MODULE"] = "off", ["GOCACHE"] = Path.Combine(_folder, "cache"), ["GOFLAGS"] = "", ["GOPATH"] = _folder },
            };
            try
            {
                using var process = Process.Start(start)!;
                var said = await process.StandardError.ReadToEndAsync();
                await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(3));
                Assert.True(process.ExitCode == 0, said);
                _fault = "";
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // Said by each test.
            }
        }

        public Task DisposeAsync()
        {
            Directory.Delete(_folder, recursive: true);
            return Task.CompletedTask;
        }

        internal ForeignProgram Start(string role, int port, ProgramPeer peer)
        {
            Skip.If(_fault.Length > 0, _fault);
            return ForeignProgram.Start(Binary, $"{role} {port} {peer.Files.Folder}");
        }
    }
}
