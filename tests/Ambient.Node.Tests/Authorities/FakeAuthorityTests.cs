using System.Diagnostics;
using Ambient.Certificates;
using Ambient.Node.Authorities;
using Ambient.Node.Hosting.Variables;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Authorities;

/// <summary>The folder of FAKE_CA stands in the temporary folder, where anybody may have made it before.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class FakeAuthorityTests : IDisposable
{
    private readonly string _trustDomain = $"t{Guid.NewGuid():N}";
    private readonly string _folder;

    public FakeAuthorityTests() => _folder = AuthorityOptions.FakeFolder(_trustDomain);

    [Fact]
    public async Task Folder_ThatWasNotThere_IsMadeForItsOwnerAlone()
    {
        await using var authority = await OpenAsync();

        Assert.StartsWith(Path.GetTempPath(), _folder, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder));
    }

    [Fact]
    public async Task Folder_ThatAnotherUserMadeBefore_IsRefused()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            // Only root can make a folder in another user's name; EmbeddedAuthorityTests has the rule for everybody.
            return;
        }

        Directory.CreateDirectory(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using (var chown = Process.Start("chown", ["12345", _folder]))
        {
            await chown.WaitForExitAsync();
        }

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(OpenAsync);

        Assert.Contains($"folder {_folder} belongs to user 12345, who could put another root there", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Theory]
    [InlineData("open")]
    [InlineData("link")]
    public async Task Folder_ThatIsOpenToOthers_OrALink_IsRefused_AndLeftAsItIs(string fault)
    {
        const UnixFileMode Wide = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        if (fault == "open")
        {
            Directory.CreateDirectory(_folder);
            File.SetUnixFileMode(_folder, Wide);
        }
        else
        {
            Directory.CreateDirectory(_folder + ".elsewhere", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Directory.CreateSymbolicLink(_folder, _folder + ".elsewhere");
        }

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(OpenAsync);

        Assert.Contains(fault == "open" ? $"chmod 700 {_folder}" : "symbolic link", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
        Assert.True(fault != "open" || File.GetUnixFileMode(_folder) == Wide);
    }

    [Fact]
    public void Variable_NamesThatFolder()
    {
        var variables = new VariableReader(new Dictionary<string, string> { ["PROXY_MODE"] = "loopback", ["FAKE_CA"] = "true", ["LOCAL_XDS"] = "{}", ["TRUST_DOMAIN"] = _trustDomain });

        Assert.Equal(_folder, ZtunnelVariables.Read(variables).ToMeshRuntime().Authority.Folder);
        Assert.Empty(variables.Errors);
    }

    public void Dispose()
    {
        foreach (var folder in new[] { _folder, _folder + ".elsewhere" }.Where(Path.Exists))
        {
            // A link is not followed.
            Directory.Delete(folder, recursive: true);
        }
    }

    private Task<Authority> OpenAsync() => Authority.OpenAsync(
        new AuthorityOptions { Folder = _folder, TrustDomain = _trustDomain }, NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
}
