using System.Collections.Immutable;
using Ambient.Mesh;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Ambient.Node.Requests;

/// <summary>Makes the header changes that a route asks for: remove, then set, then add (HTTPHeaderFilter of the Gateway API).</summary>
internal static class HeaderEdits
{
    /// <summary>Changes a request that is about to be sent on.</summary>
    public static void Apply(HttpRequestMessage request, ImmutableArray<HeaderModification> edits)
    {
        foreach (var edit in edits)
        {
            foreach (var name in edit.Remove)
            {
                Remove(request, name);
            }

            foreach (var (name, value) in edit.Set)
            {
                Remove(request, name);
                Add(request, name, value);
            }

            foreach (var (name, value) in edit.Add)
            {
                Add(request, name, value);
            }
        }
    }

    /// <summary>Changes an answer.</summary>
    public static void Apply(IHeaderDictionary headers, ImmutableArray<HeaderModification> edits)
    {
        foreach (var edit in edits)
        {
            foreach (var name in edit.Remove)
            {
                headers.Remove(name);
            }

            foreach (var (name, value) in edit.Set)
            {
                headers[name] = value;
            }

            foreach (var (name, value) in edit.Add)
            {
                headers[name] = StringValues.Concat(headers[name], value);
            }
        }
    }

    private static void Remove(HttpRequestMessage request, string name)
    {
        if (!request.Headers.Remove(name))
        {
            request.Content?.Headers.Remove(name);
        }
    }

    private static void Add(HttpRequestMessage request, string name, string value)
    {
        if (!request.Headers.TryAddWithoutValidation(name, value))
        {
            request.Content?.Headers.TryAddWithoutValidation(name, value);
        }
    }
}
