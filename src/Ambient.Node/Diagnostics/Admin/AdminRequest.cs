namespace Ambient.Node.Diagnostics.Admin;

/// <summary>One request to an admin endpoint; bodies are not read.</summary>
/// <param name="Method">Method.</param>
/// <param name="Path">Path without query.</param>
/// <param name="Query">Query without the question mark; empty when there is none.</param>
/// <param name="Accept">All <c>Accept</c> headers, joined with commas; empty when there is none.</param>
internal sealed record AdminRequest(string Method, string Path, string Query, string Accept)
{
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
