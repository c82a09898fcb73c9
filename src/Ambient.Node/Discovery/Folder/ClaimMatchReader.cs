using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads the names of headers that stand for claims of the request's token: <c>@request.auth.claims.a.b</c>, or
/// <c>@request.auth.claims[a][b]</c> where a name has a dot (https://istio.io/latest/docs/tasks/security/authentication/jwt-route/).
/// </summary>
internal static class ClaimMatchReader
{
    private const string Prefix = "@request.auth.claims";

    /// <summary>Whether a header's name stands for a claim. No header of a request can have it.</summary>
    public static bool IsClaim(string header) => header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a comparison; null, and an error, where the name is not written as a claim.</summary>
    /// <param name="headers">The field that has it, for errors.</param>
    /// <param name="header">The header's name.</param>
    /// <param name="value">What its value is compared with.</param>
    /// <param name="inverted">Whether the comparison must fail.</param>
    public static ClaimMatch? Read(FieldReader headers, string header, TextMatch value, bool inverted)
    {
        var rest = header[Prefix.Length..];
        string[] path = rest switch
        {
            ['.', _, ..] => rest[1..].Split('.'),
            ['[', _, .., ']'] => rest[1..^1].Split("]["),
            _ => [],
        };
        if (path.Length == 0 || path.Any(name => name.Length == 0 || name.AsSpan().ContainsAny('[', ']')))
        {
            headers.Error(header, $"is not a claim; expected {Prefix}.name or {Prefix}[name], and of a claim within another both names one after the other");
            return null;
        }

        return new ClaimMatch([.. path], value) { IsInverted = inverted };
    }
}
