using System.Security.Cryptography;
using Ambient.Node.Requests;

namespace Ambient.Node.Tests.Requests;

/// <summary>The sample of docs/operations.md, word for word.</summary>
internal sealed class TenantFilter : MeshRequestFilter
{
    public override async ValueTask OnRequestAsync(MeshRequestContext context)
    {
        if (context.Request.Get("x-tenant") is null)
        {
            context.Answer(400, "which tenant?");
        }
        else if (context.Request.Target == "/orders" && await context.ReadBodyAsync(most: 64 * 1024) is { } body)
        {
            context.Request.Fields.Set("x-body-sha256", Convert.ToHexString(SHA256.HashData(body.Span)));
        }
    }

    public override ValueTask OnResponseAsync(MeshRequestContext context)
    {
        context.Response.Fields.Remove("x-powered-by");
        return default;
    }
}
