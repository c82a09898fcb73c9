using System.Collections.Immutable;
using Ambient.Http;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>
/// Does to a request and its answer what an external authorizer has said. How a message is framed, what concerns one connection, and the method are not
/// its to say; host and target are, and must still make a request.
/// </summary>
internal static class HeaderMutations
{
    /// <summary>Changes a request that was let in.</summary>
    /// <exception cref="ArgumentException">A name, value, host or target is not one that a request may have.</exception>
    public static void Apply(RequestHead head, CheckVerdict verdict)
    {
        foreach (var edit in verdict.Headers)
        {
            switch (edit.Name.ToLowerInvariant())
            {
                case "host" or ":authority":
                    head.Authority = HttpSyntax.IsAuthority(edit.Value) ? edit.Value : throw new ArgumentException($"'{edit.Value}' is not a valid host");
                    break;
                case ":path":
                    head.Target = edit.Value.StartsWith('/') && HttpSyntax.IsTarget(edit.Value) ? edit.Value : throw new ArgumentException($"'{edit.Value}' is not a valid path");
                    break;
                default:
                    Apply(head.Fields, edit);
                    break;
            }
        }

        foreach (var name in verdict.Remove)
        {
            if (!IsOfTheMessage(name))
            {
                head.Fields.Remove(name);
            }
        }

        if (!verdict.SetParameters.IsEmpty || !verdict.RemoveParameters.IsEmpty)
        {
            head.Target = WithParameters(head.Target, verdict);
        }
    }

    /// <summary>Changes an answer.</summary>
    /// <exception cref="ArgumentException">A name or value is not one that a header may have.</exception>
    public static void Apply(HttpFields fields, ImmutableArray<HeaderEdit> edits)
    {
        foreach (var edit in edits)
        {
            Apply(fields, edit);
        }
    }

    /// <summary>Checks changes of an answer that is still to come.</summary>
    /// <exception cref="ArgumentException">A name or value is not one that a header may have.</exception>
    public static void Validate(ImmutableArray<HeaderEdit> edits)
    {
        foreach (var edit in edits)
        {
            if (!IsOfTheMessage(edit.Name) && !(HttpSyntax.IsToken(edit.Name) && edit.Value.All(HttpSyntax.IsFieldValue)))
            {
                throw new ArgumentException($"'{edit.Name}' is not a valid header, or its value is not");
            }
        }
    }

    /// <summary>Puts headers into an answer that refuses: those of one name stay together, in place of the proxy's own.</summary>
    /// <exception cref="ArgumentException">A name or value is not one that a header may have.</exception>
    public static void Answer(HttpFields fields, ImmutableArray<HeaderEdit> edits)
    {
        foreach (var edit in edits)
        {
            if (edit.Change == HeaderChange.Set && !IsOfTheMessage(edit.Name))
            {
                fields.Remove(edit.Name);
            }
        }

        foreach (var edit in edits)
        {
            Apply(fields, edit.Change == HeaderChange.Set ? edit with { Change = HeaderChange.Add } : edit);
        }
    }

    private static void Apply(HttpFields fields, HeaderEdit edit)
    {
        if (IsOfTheMessage(edit.Name))
        {
            return;
        }

        var isThere = fields.Contains(edit.Name);
        switch (edit.Change)
        {
            case HeaderChange.Set:
            case HeaderChange.SetIfPresent when isThere:
                fields.Set(edit.Name, edit.Value);
                break;
            case HeaderChange.Add:
            case HeaderChange.AddIfAbsent when !isThere:
                fields.Add(edit.Name, edit.Value);
                break;
            case HeaderChange.AppendIfPresent when isThere:
                fields.Set(edit.Name, $"{fields.Get(edit.Name)},{edit.Value}");
                break;
        }
    }

    /// <summary>The target with another query. Parameters that stay are as they were written; those that are set are encoded (RFC 3986 section 3.4).</summary>
    private static string WithParameters(string target, CheckVerdict verdict)
    {
        var question = target.IndexOf('?', StringComparison.Ordinal);
        var parameters = question < 0 ? [] : target[(question + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries).ToList();
        foreach (var (name, value) in verdict.SetParameters)
        {
            var written = $"{Uri.EscapeDataString(name)}={Uri.EscapeDataString(value)}";
            var first = parameters.FindIndex(parameter => IsNamed(parameter, name));
            parameters.RemoveAll(parameter => IsNamed(parameter, name));
            parameters.Insert(first < 0 ? parameters.Count : first, written);
        }

        foreach (var name in verdict.RemoveParameters)
        {
            parameters.RemoveAll(parameter => IsNamed(parameter, name));
        }

        var path = question < 0 ? target : target[..question];
        return parameters.Count == 0 ? path : $"{path}?{string.Join('&', parameters)}";
    }

    private static bool IsNamed(string parameter, string name)
    {
        var equals = parameter.IndexOf('=', StringComparison.Ordinal);
        var written = equals < 0 ? parameter : parameter[..equals];
        return written == name || Uri.UnescapeDataString(written.Replace('+', ' ')) == name;
    }

    /// <summary>Pseudo-headers, fields of framing, and those of one connection (RFC 9110 section 7.6.1).</summary>
    public static bool IsOfTheMessage(string name) => name.Length == 0 || name[0] == ':' || name.ToLowerInvariant()
        is "host" or "content-length" or "transfer-encoding" or "connection" or "keep-alive" or "proxy-connection" or "te" or "trailer" or "upgrade" or "http2-settings";
}
