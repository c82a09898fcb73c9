using System.Text.Encodings.Web;
using Ambient.Hbone.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// The scheme <see cref="MeshClaims.AuthenticationType"/>: a caller that came through a tunnel is who its certificate says. Nobody can be
/// asked to try again with another certificate, so a challenge is a plain 401 and a forbidden caller gets 403.
/// </summary>
internal sealed class MeshAuthenticationHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    /// <inheritdoc/>
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(
        Context.Features.Get<IHboneConnectionFeature>() is MemberConnection connection
            ? AuthenticateResult.Success(new AuthenticationTicket(connection.User, Scheme.Name))
            : AuthenticateResult.NoResult());
}
