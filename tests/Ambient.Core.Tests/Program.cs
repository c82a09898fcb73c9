using Ambient.Certificates;

namespace Ambient.Core.Tests;

/// <summary>What this assembly does when a test starts it as a process of its own.</summary>
internal static class Program
{
    internal const string OpenAuthority = "open-authority";

    private static async Task<int> Main(string[] args)
    {
        if (args is not [OpenAuthority, var folder])
        {
            await Console.Error.WriteLineAsync($"usage: {OpenAuthority} FOLDER (tests are run by dotnet test)");
            return 2;
        }

        using var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = folder });
        Console.WriteLine(authority.Roots.Roots[0].Thumbprint);
        return 0;
    }
}
