namespace Ambient.Samples.Bookinfo.Walkthrough;

/// <summary>Command line of the walkthrough.</summary>
/// <param name="Root">Root of the repository, under which binaries and manifests are.</param>
/// <param name="Keep">Whether the mesh stays up after the steps.</param>
/// <param name="Namespaces">Whether every pod has a network namespace of its own.</param>
/// <param name="Picture">Where to draw the transcript, or null.</param>
/// <param name="RunFolder">Folder for manifests, logs and the authority; null makes one.</param>
/// <param name="Ztunnel">The ztunnel to run; null is the native one under the root.</param>
/// <param name="Waypoint">The waypoint to run; null is the native one under the root.</param>
/// <param name="Bookinfo">Bookinfo's services; null is what <c>build.sh</c> left under the root.</param>
/// <param name="Through">The last step to run.</param>
internal sealed record WalkthroughOptions(
    string Root,
    bool Keep = false,
    bool Namespaces = false,
    string? Picture = null,
    string? RunFolder = null,
    string? Ztunnel = null,
    string? Waypoint = null,
    string? Bookinfo = null,
    int Through = 10)
{
    private static readonly string[] s_withValue = ["--root", "--svg", "--run-folder", "--ztunnel", "--waypoint", "--bookinfo", "--through"];

    public const string Usage = """
        usage: ./build.sh demo [--netns] [--keep] [--run-folder DIR] [--svg FILE] [--through N]
                            [--ztunnel FILE] [--waypoint FILE] [--bookinfo FILE]

          --netns           every pod in its own network namespace, redirected to its node's ztunnel; needs root
          --keep            after the steps the mesh stays up until Ctrl-C, for your own requests and edits
          --run-folder DIR  where manifests, logs and keys of this run are put (default: a new folder under the temporary one)
          --svg FILE        draws what was printed, for the documentation
          --through N       ends after step N of 10
          --ztunnel FILE    runs another ztunnel than artifacts/hosts/ztunnel
          --waypoint FILE   runs another waypoint than artifacts/hosts/waypoint
          --bookinfo FILE   runs another bookinfo.dll than the release build
        """;

    /// <summary>Reads the command line; null with the reason when it makes no sense.</summary>
    public static WalkthroughOptions? Parse(IReadOnlyList<string> arguments, out string? problem)
    {
        var options = new WalkthroughOptions(Directory.GetCurrentDirectory());
        problem = null;
        for (var at = 0; at < arguments.Count; at++)
        {
            var name = arguments[at];
            switch (name)
            {
                case "--keep":
                    options = options with { Keep = true };
                    continue;
                case "--netns":
                    options = options with { Namespaces = true };
                    continue;
                case var _ when s_withValue.Contains(name) && at + 1 < arguments.Count:
                    if (name == "--through")
                    {
                        if (!int.TryParse(arguments[++at], out var through) || through is < 1 or > 7)
                        {
                            problem = $"--through takes a step, 1 to 7, not {arguments[at]}";
                            return null;
                        }

                        options = options with { Through = through };
                        continue;
                    }

                    var value = Path.GetFullPath(arguments[++at]);
                    options = name switch
                    {
                        "--root" => options with { Root = value },
                        "--svg" => options with { Picture = value },
                        "--ztunnel" => options with { Ztunnel = value },
                        "--waypoint" => options with { Waypoint = value },
                        "--bookinfo" => options with { Bookinfo = value },
                        _ => options with { RunFolder = value },
                    };
                    continue;
                default:
                    problem = s_withValue.Contains(name) ? $"{name} needs a value" : $"unknown argument: {name}";
                    return null;
            }
        }

        return options;
    }
}
