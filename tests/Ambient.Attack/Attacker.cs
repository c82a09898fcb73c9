using System.Globalization;
using Ambient.Certificates;
using Ambient.Identity;

namespace Ambient.Attack;

/// <summary>Who attacks, in a process of its own: what it does to itself (a sender without end, for one) is nothing that its neighbour has to pay for.</summary>
/// <param name="Svid">Its certificate.</param>
/// <param name="Target">Address and port of a waypoint or gateway that it attacks; null: it attacks a ztunnel.</param>
internal sealed record Attacker(X509Svid Svid, System.Net.IPEndPoint? Target)
{
    /// <summary>The first argument of a process that attacks.</summary>
    public const string Verb = "attacker";

    /// <summary>What the process says when it has everything that it needs; it begins at the next line of its input.</summary>
    public const string Ready = "ready";

    private static readonly SpiffeId s_id = SpiffeId.ForServiceAccount("cluster.local", "default", "attacker");

    /// <summary>Attacks, and ends.</summary>
    /// <param name="args">Number of the attack, folder of the mesh's authority, seconds; the target's address where it is not a ztunnel.</param>
    public static async Task RunAsync(string[] args)
    {
        var attack = Attacks.All[int.Parse(args[0], CultureInfo.InvariantCulture) - 1].Run;
        using var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = args[1] });
        var attacker = new Attacker(await authority.IssueAsync(s_id), args.Length > 3 ? System.Net.IPEndPoint.Parse(args[3]) : null);
        using var endpoints = attacker.Target is null ? Endpoints.OfAttacker() : null;
        using var hostile = attacker.Target is null ? null : new EngineEndpoint(EngineHost.Hostile);
        Console.WriteLine(Ready);
        Console.ReadLine();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(int.Parse(args[2], CultureInfo.InvariantCulture)));
        await attack(attacker, stop.Token);
    }
}
