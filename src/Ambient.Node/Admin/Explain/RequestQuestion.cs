using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Admin.Server;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Admin.Explain;

/// <summary>The request that is asked about.</summary>
/// <param name="Method">Method.</param>
/// <param name="Host">Host header.</param>
/// <param name="Path">Path and query, normalised as the mesh has it.</param>
/// <param name="Fields">Its other headers.</param>
internal sealed record RequestQuestion(string Method, string Host, RequestPath Path, IReadOnlyDictionary<string, string> Fields)
{
    /// <summary>How to ask.</summary>
    public const string Usage =
        """
          path: target of a request, with its query; also method (GET), host (that of dst), header=name:value, as often as there are headers

        """;

    /// <summary>Whether a request is asked about, and not a connection alone.</summary>
    public static bool IsAsked(AdminRequest request) => request.Parameter("path") is not null || request.Parameter("method") is not null;

    /// <summary>Reads it. Null: it is no request, and <paramref name="error"/> says why.</summary>
    /// <param name="request">The question.</param>
    /// <param name="host">Host where it says none.</param>
    /// <param name="normalization">What the mesh does to paths.</param>
    /// <param name="error">Why not.</param>
    public static RequestQuestion? Read(AdminRequest request, string host, PathNormalization normalization, out string error)
    {
        error = "";
        var (method, target) = (request.Parameter("method") ?? "GET", request.Parameter("path") ?? "/");
        if (!HttpSyntax.IsTarget(target) || !RequestPath.TryParse(target, out var path, normalization))
        {
            error = $"path: \"{target}\" is no target of a request";
            return null;
        }

        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var header in request.Parameters("header"))
        {
            var colon = header.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                error = $"header: \"{header}\" has no name; expected name:value";
                return null;
            }

            var (name, value) = (header[..colon].Trim(), header[(colon + 1)..].Trim());
            fields[name] = fields.TryGetValue(name, out var earlier) ? $"{earlier},{value}" : value;
        }

        return new RequestQuestion(method, request.Parameter("host") is { Length: > 0 } asked ? asked : host, path, fields);
    }

    /// <summary>The value of a header, as policies and routes ask for it.</summary>
    public string? Header(string name) => name.Equals("host", StringComparison.OrdinalIgnoreCase) || name.Equals(":authority", StringComparison.OrdinalIgnoreCase)
        ? Host
        : Fields.GetValueOrDefault(name);
}
