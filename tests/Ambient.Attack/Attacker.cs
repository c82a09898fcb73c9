using System.Globalization;
using Ambient.Certificates;
using Ambient.Identity;

namespace Ambient.Attack;

/// <summary>Who attacks, in a process of its own: what it does to itself (a sender without end, for one) is nothing that its neighbour has to pay for.</summary>
internal sealed record Attacker(X509Svid Svid)
{
    /// <summary>The first argument of a process that attacks.</summary>
    public const string Verb = "attacker";

    /// <summary>What the process says when it has everything that it needs; it begins at the next line of its input.</summary>
    public const string Ready = "ready";

    private static readonly SpiffeId s_id = SpiffeId.ForServiceAccount("cluster.local", "default", "attacker");

    /// <summary>Attacks, and ends.</summary>
    /// <param name="args">Number of the attack, folder of the mesh's authority, seconds.</param>
    public static async Task RunAsync(string[] args)
    {
        var attack = Attacks.All[int.Parse(args[0], CultureInfo.InvariantCulture) - 1].Run;
        using var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = args[1] });
        var attacker = new Attacker(await authority.IssueAsync(s_id));
        using var endpoints = Endpoints.OfAttacker();
        Console.WriteLine(Ready);
        Console.ReadLine();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(int.Parse(args[2], CultureInfo.InvariantCulture)));
        await attack(attacker, stop.Token);
    }
}
