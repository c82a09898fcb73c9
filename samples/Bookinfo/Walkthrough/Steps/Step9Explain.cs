namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Why a request is refused, asked of the waypoint before anybody sends it.</summary>
internal sealed class Step9Explain : IStep
{
    public string Title => "Explain: why notsleep is refused, and where sleep's request goes";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        var denied = await AskAsync(stage, "notsleep", "dst=default/productpage:9080&path=/productpage", cancellation);
        tell.Check(
            denied.Contains("=> DENIED with 403", StringComparison.Ordinal) && denied.Contains("ALLOW  default/productpage-viewer: does not match", StringComparison.Ordinal),
            "notsleep would get 403, and the policy that does not let it in is named");
        var routed = await AskAsync(stage, "sleep", "dst=default/reviews:9080&path=/reviews/0", cancellation);
        tell.Check(
            routed.Contains("route default/reviews rule 0", StringComparison.Ordinal) && routed.Contains("reviews-v1-0", StringComparison.Ordinal),
            "a request for reviews names the route, its shares and the endpoints");
    }

    private static async Task<string> AskAsync(Stage stage, string pod, string question, CancellationToken cancellation)
    {
        var (url, text) = await stage.Waypoint.ExplainAsync($"src=default/{stage.Pod(pod).Name}&{question}", cancellation);
        stage.Tell.Try($"curl '{url}'");
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            stage.Tell.Seen(line);
        }

        return text;
    }
}
