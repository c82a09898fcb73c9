using System.Net;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Who a request is from by its token: verified by the waypoint, and asked for by a policy.</summary>
internal sealed class Step7Token : IStep
{
    private const string Manifest = "productpage-token.yaml";

    public string Title => "A token for the productpage: without one 403, with a wrong one 401";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        using var issuer = new DemoIssuer();
        using var stranger = new DemoIssuer();
        stage.Apply(Manifest, "tokens of https://bookinfo.example, and no request without one", text => text.Replace("{{JWKS}}", issuer.Keys, StringComparison.Ordinal));
        var without = await stage.TryUntilAsync(
            stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, answer => answer.Status == HttpStatusCode.Forbidden, cancellation);
        tell.Check(without.Status == HttpStatusCode.Forbidden, "sleep without a token gets 403");

        await TryAsync(stage, "a token", issuer.TokenUntil(DateTimeOffset.UtcNow.AddHours(1)), answer => answer.IsProductPage, "the page", cancellation);
        await TryAsync(stage, "an old token", issuer.TokenUntil(DateTimeOffset.UtcNow.AddHours(-1)), answer => answer.Status == HttpStatusCode.Unauthorized, "401", cancellation);
        await TryAsync(stage, "a token that a stranger signed", stranger.TokenUntil(DateTimeOffset.UtcNow.AddHours(1)), answer => answer.Status == HttpStatusCode.Unauthorized, "401", cancellation);

        stage.Remove(Manifest);
        var again = await stage.TryUntilAsync(stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, answer => answer.IsProductPage, cancellation);
        tell.Check(again.IsProductPage, "without the rule nobody is asked for a token");
    }

    private static async Task TryAsync(Stage stage, string what, string token, Func<Answer, bool> wanted, string expected, CancellationToken cancellation)
    {
        stage.Tell.Try($"sleep: GET {Stage.ProductPageUrl} with {what}");
        var answer = await stage.Sleep.SendAsync(HttpMethod.Get, Stage.ProductPageUrl, cancellation, token);
        stage.Tell.Came(answer.Describe());
        stage.Tell.Check(wanted(answer), $"sleep with {what} gets {expected}");
    }
}
