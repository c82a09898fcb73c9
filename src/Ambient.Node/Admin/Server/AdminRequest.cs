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

    /// <summary>Host and port that the client means; null when it does not say.</summary>
    public string? Host { get; init; }

    /// <summary>The <c>Origin</c> header: where the page is from that a browser sends this for; null when there is none.</summary>
    public string? Origin { get; init; }

    /// <summary>The <c>Sec-Fetch-Site</c> header, by which a browser says how that page is related to us; null when there is none.</summary>
    public string? FetchSite { get; init; }

    /// <summary>Whether it comes from this machine, or this pod.</summary>
    public bool IsLocal { get; init; }

    /// <summary>Whether the client reads a body in chunks (HTTP/1.1); if not, the end of the connection is the end of the body.</summary>
    public bool TakesChunks { get; init; }

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
        foreach (var value in Parameters(name))
        {
            return value;
        }

        return null;
    }

    /// <summary>The decoded values of a query parameter, in their order.</summary>
    public IEnumerable<string> Parameters(string name)
    {
        foreach (var pair in Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (string.Equals(Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]), name, StringComparison.Ordinal))
            {
                yield return equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..].Replace('+', ' '));
            }
        }
    }
}
