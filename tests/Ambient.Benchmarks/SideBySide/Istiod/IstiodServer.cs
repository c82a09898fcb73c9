using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing.ControlPlane;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Benchmarks.SideBySide.Istiod;

/// <summary>
/// An istiod of a waypoint with a <see cref="LargeConfiguration"/>, as a child process inside a namespace. Told what to do on its standard input, it answers each
/// line with one. Times are those of the system's monotonic clock, in microseconds, so that another process may compare them with its own.
/// <c>first</c>: when the first request came, when the last byte of the first answers was written, and when the last of them was acknowledged.
/// <c>same N</c>, <c>other N</c>: everything N times, in the bytes before, or in other bytes each time; <c>unknown N</c>: as many bytes of types that nobody
/// asked for; all answered with the microseconds that it took until everything was acknowledged.
/// <c>endpoint P</c>: the first service's endpoint at port P, answered with when it was sent, and when it was acknowledged.
/// </summary>
internal static class IstiodServer
{
    internal const string Verb = "istiod-server";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    /// <summary>The child process.</summary>
    internal static async Task<int> ServeAsync(int port, string folder, string endpoint, int endpointPort, string waypoint)
    {
        var configuration = new LargeConfiguration(endpoint, endpointPort, waypoint);
        var acknowledged = new Acknowledgements();
        var written = new ConcurrentDictionary<string, long>();
        var first = new ConcurrentDictionary<string, long>();
        DeltaDiscoveryResponse[] initial = [configuration.Clusters, configuration.Assignments, configuration.Listeners, configuration.Workloads];
        var answers = initial.ToDictionary(static response => response.TypeUrl, response => (Response: Named(response), Done: default(Task<long>)));
        foreach (var type in answers.Keys.ToArray())
        {
            answers[type] = answers[type] with { Done = acknowledged.WaitAsync(answers[type].Response.Nonce) };
        }

        var script = new DiscoveryScript
        {
            Initial = request =>
            {
                first.TryAdd("request", Now());
                return answers.TryGetValue(request.TypeUrl, out var answer) ? answer.Response : DiscoveryScript.Empty(request.TypeUrl);
            },
            Received = request =>
            {
                acknowledged.Note(request);
                if (request.ErrorDetail is { } error)
                {
                    Console.Error.WriteLine($"{request.TypeUrl} is refused: {error.Message}");
                }
            },
            Written = response => written[response.Nonce] = Now(),
        };
        await using var server = await ControlPlaneServer.StartAsync(port: port, discovery: script, folder: folder, address: IPAddress.Loopback);
        Console.WriteLine(HeldChild.Holding);
        var rounds = 0;
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var words = line.Split(' ');
            switch (words[0])
            {
                case "first":
                    var done = await Task.WhenAll(answers.Values.Select(static answer => answer.Done!)).WaitAsync(s_patience);
                    Answer(first["request"], answers.Values.Max(answer => written[answer.Response.Nonce]), done.Max(Micros));
                    break;
                case "endpoint":
                    var change = Named(configuration.First(Number(words[1])));
                    var taken = acknowledged.WaitAsync(change.Nonce);
                    var sent = Now();
                    script.Push(change);
                    Answer(sent, Micros(await taken.WaitAsync(s_patience)));
                    break;
                default:
                    var begun = Now();
                    for (var i = 0; i < Number(words[1]); i++)
                    {
                        // One response after the other, as istiod has it.
                        rounds++;
                        var all = words[0] == "same" ? configuration.All : configuration.Others[rounds % configuration.Others.Length];
                        foreach (var response in all.Select(response => Named(words[0] == "unknown" ? Unknown(response) : response)))
                        {
                            var taking = acknowledged.WaitAsync(response.Nonce);
                            script.Push(response);
                            await taking.WaitAsync(s_patience);
                        }
                    }

                    Answer(Now() - begun);
                    break;
            }
        }

        return 0;
    }

    /// <summary>The same bytes under a type that a waypoint does not know.</summary>
    private static DeltaDiscoveryResponse Unknown(DeltaDiscoveryResponse response) => new()
    {
        TypeUrl = $"type.googleapis.com/bench.{response.TypeUrl.Split('.')[^1]}",
        Resources =
        {
            response.Resources.Select(resource => new Resource
            {
                Name = resource.Name,
                Resource_ = new Any { TypeUrl = $"type.googleapis.com/bench.{response.TypeUrl.Split('.')[^1]}", Value = resource.Resource_.Value },
            }),
        },
    };

    private static DeltaDiscoveryResponse Named(DeltaDiscoveryResponse response)
    {
        // The resources are shared; only the envelope is another.
        var named = new DeltaDiscoveryResponse { TypeUrl = response.TypeUrl, Nonce = Guid.NewGuid().ToString() };
        named.Resources.AddRange(response.Resources);
        return named;
    }

    private static void Answer(params long[] figures) => Console.WriteLine(string.Join(' ', figures.Select(static figure => figure.ToString(CultureInfo.InvariantCulture))));

    private static long Now() => Micros(Stopwatch.GetTimestamp());

    private static long Micros(long timestamp) => timestamp / (Stopwatch.Frequency / 1_000_000);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
