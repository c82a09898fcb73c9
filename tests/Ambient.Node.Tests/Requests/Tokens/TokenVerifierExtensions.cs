using System.Net;
using Ambient.Node.Requests.Tokens;
using Ambient.Policy.Authentication;

namespace Ambient.Node.Tests.Requests.Tokens;

/// <summary>Questions of a client that is always the same one.</summary>
internal static class TokenVerifierExtensions
{
    public static ValueTask<AuthenticationDecision> DecideAsync(this TokenVerifier verifier, TokenRules rules, FoundTokens found) => verifier.DecideAsync(rules, found, IPAddress.Loopback);
}
