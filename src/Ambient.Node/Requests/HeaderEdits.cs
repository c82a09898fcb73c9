using System.Collections.Immutable;
using Ambient.Http;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>
/// Makes the header changes that a route asks for: remove, then set, then add (HTTPHeaderFilter of the Gateway API). How a message is framed and what
/// concerns one connection are not a route's to say: such names are passed over.
/// </summary>
internal static class HeaderEdits
{
    /// <summary>Changes a request that is about to be sent on. A change of the host changes the authority.</summary>
    /// <exception cref="ArgumentException">A name or value is not one that a header may have.</exception>
    public static void Apply(RequestHead head, ImmutableArray<HeaderModification> edits)
    {
        foreach (var edit in edits.AsSpan())
        {
            Apply(head.Fields, edit, head);
        }
    }

    /// <summary>Changes an answer.</summary>
    /// <exception cref="ArgumentException">A name or value is not one that a header may have.</exception>
    public static void Apply(ResponseHead head, ImmutableArray<HeaderModification> edits)
    {
        foreach (var edit in edits.AsSpan())
        {
            Apply(head.Fields, edit, null);
        }
    }

    /// <summary>Changes an answer of our own; what is not a header that may be is left out.</summary>
    public static void TryApply(ResponseHead head, ImmutableArray<HeaderModification> edits)
    {
        try
        {
            Apply(head, edits);
        }
        catch (ArgumentException)
        {
            // Said where routes are compiled; a redirect is worth more than the header that goes with it.
        }
    }

    private static void Apply(HttpFields fields, HeaderModification edit, RequestHead? request)
    {
        foreach (var name in edit.Remove.AsSpan())
        {
            if (!IsOfTheConnection(name) && !IsHost(name))
            {
                fields.Remove(name);
            }
        }

        foreach (var (name, value) in edit.Set.AsSpan())
        {
            Change(name, value, replaces: true);
        }

        foreach (var (name, value) in edit.Add.AsSpan())
        {
            Change(name, value, replaces: false);
        }

        void Change(string name, string value, bool replaces)
        {
            if (IsHost(name))
            {
                if (request is not null && HttpSyntaxOf(value))
                {
                    request.Authority = value;
                }
            }
            else if (IsOfTheConnection(name))
            {
            }
            else if (replaces)
            {
                fields.Set(name, value);
            }
            else
            {
                fields.Add(name, value);
            }
        }
    }

    private static bool HttpSyntaxOf(string value) => value.Length > 0 && !value.AsSpan().ContainsAnyExceptInRange('!', '~')
        ? true
        : throw new ArgumentException($"'{value}' is not a valid host", nameof(value));

    private static bool IsHost(string name) =>
        name.Equals("host", StringComparison.OrdinalIgnoreCase) || name.Equals(":authority", StringComparison.OrdinalIgnoreCase);

    /// <summary>Fields of framing and of one connection (RFC 9110 section 7.6.1), which the codecs write themselves.</summary>
    private static bool IsOfTheConnection(string name) => name.Length switch
    {
        2 => name.Equals("te", StringComparison.OrdinalIgnoreCase),
        7 => name.Equals("upgrade", StringComparison.OrdinalIgnoreCase),
        10 => name.Equals("connection", StringComparison.OrdinalIgnoreCase) || name.Equals("keep-alive", StringComparison.OrdinalIgnoreCase),
        14 => name.Equals("http2-settings", StringComparison.OrdinalIgnoreCase) || name.Equals("content-length", StringComparison.OrdinalIgnoreCase),
        16 => name.Equals("proxy-connection", StringComparison.OrdinalIgnoreCase),
        17 => name.Equals("transfer-encoding", StringComparison.OrdinalIgnoreCase),
        _ => name.StartsWith(':'),
    };
}
