using System.Net;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;

namespace Ambient.Node.Tests.Requests;

/// <summary>Asks what was recorded, and says what differs: in the answer, and in what backends see.</summary>
internal sealed class GoldenComparison(GoldenBackends backends)
{
    // Not hop-by-hop, yet each proxy's own business: left out of the recordings too.
    private static readonly string[] s_ownHeaders = ["date", "server", "content-length", "content-type", "connection", "transfer-encoding", "x-request-id", "x-forwarded-proto", "te", "grpc-status", "grpc-message"];

    private const string RecordedProxy = "x-forwarded-for=127.0.0.1";

    /// <summary>What differs from the recording, over HTTP/1.1 or over HTTP/2; gRPC is asked over HTTP/2 alone.</summary>
    public async Task<string?> DifferenceAsync(IGoldenSubject engine, MeshSnapshot mesh, JsonElement question)
    {
        var grpc = question.TryGetProperty("grpc", out _);
        Func<bool, Task<string?>> check = question.TryGetProperty("distribution", out var distribution)
            ? http2 => CheckDistributionAsync(engine, mesh, question, distribution, grpc, http2)
            : http2 => grpc ? CheckGrpcAsync(engine, mesh, question) : CheckAsync(engine, mesh, question, http2);
        return !grpc && await check(false) is { } difference ? $"HTTP/1.1: {difference}"
            : await check(true) is { } other ? $"HTTP/2: {other}"
            : null;
    }

    private async Task<string?> CheckGrpcAsync(IGoldenSubject engine, MeshSnapshot mesh, JsonElement question)
    {
        backends.Clear();
        if (question.TryGetProperty("fail", out var fail))
        {
            backends.Failing = (fail.GetInt32(), question.TryGetProperty("code", out var code) ? code.GetInt32() : 14);
        }

        var answer = await AskAsync(engine, mesh, question, http2: true);
        var (status, message) = (answer.Headers.FirstOrDefault(header => header.Name == "grpc-status").Value, answer.Headers.FirstOrDefault(header => header.Name == "grpc-message").Value ?? "");
        if (!question.TryGetProperty("status", out var recordedStatus))
        {
            return "recorded without a status";
        }

        if (answer.Status != 200 || status != $"{recordedStatus.GetInt32()}")
        {
            return $"answered {answer.Status} with gRPC status {status}";
        }

        if (question.TryGetProperty("message", out var recordedMessage) && Uri.UnescapeDataString(message) != recordedMessage.GetString())
        {
            return $"message \"{message}\"";
        }

        var headers = Comparable(answer.Headers);
        var recorded = Pairs(question.GetProperty("response").GetProperty("headers"));
        return headers == recorded ? await SeenDifferenceAsync(mesh, question) : $"answer's headers {headers}, recorded {recorded}";
    }

    private async Task<string?> CheckAsync(IGoldenSubject engine, MeshSnapshot mesh, JsonElement question, bool http2)
    {
        backends.Clear();
        var answer = await AskAsync(engine, mesh, question, http2);
        var status = question.GetProperty("status").GetInt32();
        if (answer.Status != status)
        {
            return $"answered {answer.Status}, recorded {status}";
        }

        var response = question.GetProperty("response");
        if (response.TryGetProperty("body", out var body) && body.GetString()!.StartsWith("{\"pod\"", StringComparison.Ordinal) is false && body.GetString() != answer.Body && question.GetProperty("method").GetString() != "HEAD")
        {
            return $"body \"{answer.Body}\"";
        }

        var headers = Comparable(answer.Headers);
        var recorded = Pairs(response.GetProperty("headers"));
        if (headers != recorded)
        {
            return $"answer's headers {headers}, recorded {recorded}";
        }

        return await SeenDifferenceAsync(mesh, question);
    }

    private async Task<string?> SeenDifferenceAsync(MeshSnapshot mesh, JsonElement question)
    {
        // A copy may still be on its way when the request itself is answered.
        var expected = question.GetProperty("upstream").GetArrayLength();
        for (var i = 0; i < 200 && backends.Seen.Count < expected; i++)
        {
            await Task.Delay(10);
        }

        // Copies come after what they are copies of, whichever was recorded first, and say by whom they were sent: here another address than there.
        var upstream = question.GetProperty("upstream").EnumerateArray().OrderBy(was => Pairs(was.GetProperty("headers")).Contains(RecordedProxy, StringComparison.Ordinal)).ToArray();
        var seen = backends.Seen.Select(seen => seen with { Headers = [.. seen.Headers.Select(header => (header.Name, header.Name == "x-forwarded-for" && header.Value == GoldenEngine.Address ? "127.0.0.1" : header.Value))] })
            .OrderBy(seen => seen.Headers.Any(header => RecordedProxy == $"{header.Name}={header.Value}")).ToArray();
        var grpc = question.TryGetProperty("grpc", out _);
        if (seen.Length != upstream.Length)
        {
            return $"{seen.Length} requests reached backends, recorded {upstream.Length}";
        }

        for (var i = 0; i < seen.Length; i++)
        {
            var pod = NameOf(mesh, seen[i].Pod);
            var (is_, was) = ($"{(grpc ? "" : seen[i].Method + " ")}{seen[i].Target} {Comparable(seen[i].Headers.Where(header => !grpc || header.Name != "host"))}",
                $"{upstream[i].GetProperty("method").GetString()} {(upstream[i].TryGetProperty("path", out var path) ? path.GetString() + " " : "")}{Pairs(upstream[i].GetProperty("headers"))}");
            if (is_ != was)
            {
                return $"backend saw {is_}, recorded {was}";
            }

            // Which of a service's pods is chance; that it is one of that service's is not.
            var pods = upstream[i].GetProperty("pods").EnumerateArray().Select(p => p.GetString()![..p.GetString()!.LastIndexOf('-')]);
            if (!pods.Contains(pod[..pod.LastIndexOf('-')]))
            {
                return $"sent to {pod}";
            }
        }

        return null;
    }

    private async Task<string?> CheckDistributionAsync(IGoldenSubject engine, MeshSnapshot mesh, JsonElement question, JsonElement distribution, bool grpc, bool http2)
    {
        var outcomes = new Dictionary<string, int>();
        var repeat = question.GetProperty("repeat").GetInt32();
        for (var i = 0; i < repeat; i++)
        {
            backends.Clear();
            var answer = await AskAsync(engine, mesh, question, http2);
            var status = grpc ? answer.Headers.FirstOrDefault(header => header.Name == "grpc-status").Value : $"{answer.Status}";
            var outcome = $"{status} {string.Join(',', backends.Seen.Select(seen => NameOf(mesh, seen.Pod)))}";
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        // The same outcomes, each as often as chance allows around what was recorded.
        foreach (var recorded in distribution.EnumerateArray())
        {
            var outcome = $"{recorded.GetProperty("status").GetInt32()} {recorded.GetProperty("pods").GetString()}";
            var share = (double)recorded.GetProperty("count").GetInt32() / repeat;
            var count = outcomes.GetValueOrDefault(outcome);
            outcomes.Remove(outcome);
            if (Math.Abs(count - (share * repeat)) > (5.5 * Math.Sqrt(repeat * Math.Max(share * (1 - share), 0.01) * 2)) + 1)
            {
                return $"{outcome}: {count} of {repeat}, recorded {share * repeat}";
            }
        }

        return outcomes.Count == 0 ? null : $"unrecorded outcomes {string.Join(", ", outcomes.Keys)}";
    }

    private static Task<GoldenAnswer> AskAsync(IGoldenSubject engine, MeshSnapshot mesh, JsonElement question, bool http2)
    {
        string Text(string property, string byDefault) => question.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : byDefault;
        var gateway = question.TryGetProperty("gateway", out var throughGateway) && throughGateway.GetBoolean();
        var grpc = question.TryGetProperty("grpc", out _);
        var to = Text("to", "a");
        var headers = question.TryGetProperty("headers", out var given)
            ? given.EnumerateObject().ToDictionary(header => header.Name, header => header.Value.GetString()!)
            : [];
        var principal = Text("principal", "");
        var (method, path, host) = grpc
            ? ("POST", $"/{Text("service", "")}/{Text("method", "")}", Text("host", $"{to}:9000"))
            : (Text("method", ""), Text("path", ""), Text("host", $"{to}:8080"));
        var source = IPAddress.Parse(Text("src", "127.0.0.1"));
        var identity = principal.Length == 0 ? (SpiffeId?)null : SpiffeId.Parse(principal);
        var service = gateway ? null : mesh.Services.Values.Single(service => service.Name == to && service.Namespace == "app");
        var port = gateway ? question.GetProperty("port").GetInt32() : (int?)null;
        if (grpc)
        {
            headers["content-type"] = "application/grpc";
        }

        return engine.AskAsync(http2, new GoldenQuestion(method, path, host, headers, source, identity, service, port, grpc));
    }

    private static string NameOf(MeshSnapshot mesh, IPAddress address) =>
        mesh.FindWorkload("", address) is { } workload ? $"{workload.Namespace}/{workload.Name}" : address.ToString();

    private static string Comparable(IEnumerable<(string Name, string Value)> headers) => string.Join(' ', headers
        .Where(header => !s_ownHeaders.Contains(header.Name) && !header.Name.StartsWith("x-envoy-", StringComparison.Ordinal))
        .OrderBy(header => header.Name, StringComparer.Ordinal).Select(header => $"{header.Name}={header.Value}"));

    private static string Pairs(JsonElement headers) => string.Join(' ', headers.EnumerateArray()
        .Select(pair => $"{pair[0].GetString()}={pair[1].GetString()}").Order(StringComparer.Ordinal));
}
