using System.Reflection;

namespace Ambient.Node.Hosting.Process;

/// <summary>What this build is.</summary>
internal static class HostVersion
{
    /// <summary>Version, with the commit where the build knew it: <c>0.1.0+abc</c>.</summary>
    public static string Text { get; } =
        typeof(HostVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>The commit, or <c>unknown</c>.</summary>
    public static string Revision { get; } = Text.IndexOf('+', StringComparison.Ordinal) is > 0 and var plus ? Text[(plus + 1)..] : "unknown";
}
