namespace Ambient.Node.Admin.Server;

/// <summary>One request to an admin endpoint; bodies are not read.</summary>
/// <param name="Method">Method.</param>
/// <param name="Path">Path without query.</param>
/// <param name="Query">Query without the question mark; empty when there is none.</param>
/// <param name="Accept">All <c>Accept</c> headers, joined with commas; empty when there is none.</param>
internal sealed record AdminRequest(string Method, string Path, string Query, string Accept)
{
    /// <summary>All <c>Accept-Encoding</c> headers, joined with commas; empty when there is none.</summary>
    public string AcceptEncoding { get; init; } = "";

    /// <summary>Whether the answer may be compressed.</summary>
    public bool TakesGzip
    {
        get
        {
            foreach (var entry in AcceptEncoding.Split(','))
            {
                var semicolon = entry.IndexOf(';', StringComparison.Ordinal);
                if ((semicolon < 0 ? entry : entry[..semicolon]).Trim().Equals("gzip", StringComparison.OrdinalIgnoreCase))
                {
                    var quality = semicolon < 0 ? "" : entry[(semicolon + 1)..].Replace(" ", "", StringComparison.Ordinal);
                    return !quality.StartsWith("q=0", StringComparison.OrdinalIgnoreCase) || quality.AsSpan(3).ContainsAnyInRange('1', '9');
                }
            }

            return false;
        }
    }

    /// <summary>The decoded value of a query parameter; empty for one without a value, null when it is absent.</summary>
    public string? Parameter(string name)
    {
        foreach (var pair in Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (string.Equals(Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]), name, StringComparison.Ordinal))
            {
                return equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..].Replace('+', ' '));
            }
        }

        return null;
    }
}
