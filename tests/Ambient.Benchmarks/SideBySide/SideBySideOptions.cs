using System.Globalization;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>What to measure, and for how long.</summary>
internal sealed class SideBySideOptions
{
    internal const string Usage = """
        usage: side-by-side.sh [options]

          --quick               one round of two seconds a figure (about two minutes; noisy)
          --rounds N            turns that each contender takes (default 2)
          --seconds N           length of one measurement (default 4)
          --sections A,B        of throughput,requests,connections,storm,slow,idle,waypoint,hop,inpod,mesh,start,
                                istiod,tunnels,tls,http,soak (default all but soak)
          --contenders A,B      of haproxy,ztunnel (default both; haproxy alone proves the harness)
          --idle N              idle connections held (default 10000)
          --soak N              seconds of section soak (default 600)
          --workloads N         workloads of section mesh (default 100000)
          --congestion NAME     how TCP controls congestion in the networks of the bench, e.g. reno (default the system's)
          --output FILE         markdown fragment (default artifacts/bench/side-by-side.md)
          --baseline DIR        ztunnel and waypoint of another version: each section measures them as well, by turns
                                with ours, and a table sets the figures side by side
        """;

    private static readonly string[] AllSections = ["throughput", "requests", "connections", "storm", "slow", "idle", "waypoint", "hop", "inpod", "mesh", "start", "istiod", "tunnels", "tls", "http"];
    private static readonly string[] KnownSections = [.. AllSections, "soak"];
    private static readonly string[] AllContenders = ["haproxy", "ztunnel"];

    private bool _isTurn;

    internal string Root { get; private set; } = Directory.GetCurrentDirectory();

    /// <summary>Name of TCP's congestion control in the networks of the run; null: the system's.</summary>
    internal string? Congestion { get; private set; }

    /// <summary>Folder of another version's ztunnel and waypoint; null: ours alone.</summary>
    internal string? Baseline { get; private set; }

    /// <summary>Folder of the binaries that are measured.</summary>
    private string? Hosts { get; set; }

    internal int Rounds { get; private set; } = 2;

    internal int Seconds { get; private set; } = 4;

    internal int Idle { get; private set; } = 10_000;

    /// <summary>Seconds that section soak lasts.</summary>
    internal int Soak { get; private set; } = 600;

    internal int Workloads { get; private set; } = 100_000;

    internal bool Help { get; private set; }

    internal string? OutputPath { get; private set; }

    internal string[] Sections { get; private set; } = AllSections;

    internal string[] Contenders { get; private set; } = AllContenders;

    /// <summary>Load average when the run began.</summary>
    internal string LoadBefore { get; set; } = "";

    internal string Output => OutputPath ?? Path.Combine(Root, "artifacts", "bench", "side-by-side.md");

    /// <summary>Reads a command line.</summary>
    /// <exception cref="FormatException">An option is unknown or out of range; the message names it.</exception>
    internal static SideBySideOptions Parse(string[] args)
    {
        var options = new SideBySideOptions();
        for (var i = 0; i < args.Length; i++)
        {
            var name = args[i];
            string Value() => ++i < args.Length ? args[i] : throw new FormatException($"{name} needs a value");
            switch (name)
            {
                case "--help" or "-h": options.Help = true; break;
                case "--quick": (options.Rounds, options.Seconds) = (1, 2); break;
                case "--root": options.Root = Value(); break;
                case "--rounds": options.Rounds = Number(name, Value()); break;
                case "--seconds": options.Seconds = Number(name, Value()); break;
                case "--idle": options.Idle = Number(name, Value()); break;
                case "--soak": options.Soak = Number(name, Value()); break;
                case "--workloads": options.Workloads = Number(name, Value(), most: 200_000); break;
                case "--baseline": options.Baseline = Path.GetFullPath(Value()); break;
                case "--congestion": options.Congestion = Value(); break;
                case "--output": options.OutputPath = Path.GetFullPath(Value()); break;
                case "--sections": options.Sections = Some(name, Value(), KnownSections); break;
                case "--contenders": options.Contenders = Some(name, Value(), AllContenders); break;
                default: throw new FormatException($"unknown option {name}");
            }
        }

        return options;
    }

    internal bool Has(string section) => Sections.Contains(section);

    /// <summary>The binary that is measured.</summary>
    /// <param name="name">ztunnel or waypoint.</param>
    /// <exception cref="InvalidOperationException">It is not there.</exception>
    internal string Host(string name)
    {
        var path = Path.Combine(Hosts ?? Path.Combine(Root, "artifacts", "hosts"), name);
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path} is missing; {(Hosts is null ? "run ./build.sh hosts first" : "--baseline wants a folder with ztunnel and waypoint")}");
    }

    /// <summary>Rounds of a section that wants more than others.</summary>
    internal int RoundsOf(int least) => _isTurn ? Rounds : Math.Max(Rounds, least);

    /// <summary>The same for one turn of several versions: one round with the binaries of a folder, or with ours.</summary>
    internal SideBySideOptions OneTurn(string? hosts)
    {
        var copy = (SideBySideOptions)MemberwiseClone();
        (copy.Hosts, copy.Rounds, copy._isTurn) = (hosts, 1, true);
        return copy;
    }

    private static int Number(string name, string value, int most = 60_000) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && number <= most
            ? number
            : throw new FormatException($"{name} {value}: a number from 1 to {most} is wanted");

    private static string[] Some(string name, string value, string[] all)
    {
        var some = value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return some.Except(all).FirstOrDefault() is { } unknown ? throw new FormatException($"{name}: unknown {unknown}, known are {string.Join(", ", all)}") : some;
    }
}
