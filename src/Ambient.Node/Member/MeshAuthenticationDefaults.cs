using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// Which scheme is the application's default. ASP.NET Core takes the only scheme there is; ours must not make a second one of it, or an
/// application with one scheme of its own and no declared default would lose that default.
/// </summary>
internal sealed class MeshAuthenticationDefaults : IPostConfigureOptions<AuthenticationOptions>
{
    /// <inheritdoc/>
    public void PostConfigure(string? name, AuthenticationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.DefaultScheme is not null || options.DefaultAuthenticateScheme is not null)
        {
            return;
        }

        var others = options.Schemes.Where(static scheme => scheme.Name != MeshClaims.AuthenticationType).Select(static scheme => scheme.Name).ToArray();
        options.DefaultScheme = others switch
        {
            [] => MeshClaims.AuthenticationType,
            [var only] => only,
            _ => null,
        };
    }

    /// <summary>Whether the caller's certificate is what authenticates a request, rather than a scheme of the application's own.</summary>
    public static bool IsMesh(AuthenticationOptions options) =>
        (options.DefaultAuthenticateScheme ?? options.DefaultScheme) is null or MeshClaims.AuthenticationType;
}
