using Ambient.Http;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests;

/// <summary>The permission that an origin has to read the answer to its request.</summary>
/// <param name="Policy">Who gives it.</param>
/// <param name="Origin">The origin.</param>
internal sealed record CorsGrant(CorsPolicy Policy, string Origin)
{
    /// <summary>Says so in an answer. What the backend says of the same is replaced.</summary>
    public void Apply(HttpFields fields)
    {
        fields.Set("access-control-allow-origin", Origin);
        if (Policy.AllowsCredentials)
        {
            fields.Set("access-control-allow-credentials", "true");
        }

        if (Policy.Exposed is { } exposed)
        {
            fields.Set("access-control-expose-headers", exposed);
        }
    }
}
