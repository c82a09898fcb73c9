using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Requests;

/// <summary>An embedder's own stages, over a real waypoint.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RequestFilterTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Filter_EditsHeads_AndKnowsWhoAsks()
    {
        var client = await StartAsync(new Filter
        {
            Request = context =>
            {
                context.Request.Fields.Set("x-who", context.Identity!.ToString()!);
                context.Request.Fields.Remove("x-secret");
                context.Request.Target = "/other";
                context.State = context.Service;
                return default;
            },
            Response = context =>
            {
                context.Response.Fields.Set("x-service", (string)context.State!);
                context.Response.Status = 202;
                return default;
            },
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/one");
        request.Headers.TryAddWithoutValidation("x-secret", "1");
        using var response = await client.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.Equal("a.app.svc.cluster.local", response.Headers.GetValues("x-service").Single());
        var seen = Assert.Single(client.Pod.Requests);
        Assert.Equal("/other", seen.Target);
        Assert.Equal(TestMesh.Id("sleep").ToString(), seen.Headers["x-who"]);
        Assert.DoesNotContain("x-secret", seen.Headers.Keys);
        await _mesh.LoggedAsync("status=202");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Filter_AnswersInPlaceOfTheEndpoint(bool onRequest)
    {
        var filter = new Filter();
        var asked = 0;
        if (onRequest)
        {
            filter.Request = Answer;
        }
        else
        {
            filter.Response = Answer;
        }

        var client = await StartAsync(filter, new Filter { Request = context => Count() , Response = context => Count() });
        using var response = await client.Client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.PaymentRequired, response.StatusCode);
        Assert.Equal("pay first", await response.Content.ReadAsStringAsync());
        Assert.Equal(onRequest ? 0 : 1, client.Pod.Requests.Count);
        Assert.Equal(onRequest ? 0 : 1, asked);

        ValueTask Answer(MeshRequestContext context)
        {
            context.Answer(402, "pay first");
            return default;
        }

        ValueTask Count()
        {
            asked++;
            return default;
        }
    }

    [Fact]
    public async Task Filter_ReadsAndReplacesBodies_WithinABound()
    {
        var seen = new List<string>();
        var client = await StartAsync(new Filter
        {
            Request = async context =>
            {
                var body = await context.ReadBodyAsync(100);
                seen.Add(body is { } whole ? Encoding.ASCII.GetString(whole.Span) : "too long");
                if (body is not null && !body.Value.IsEmpty)
                {
                    context.ReplaceBody(Encoding.ASCII.GetBytes(seen[^1].ToUpperInvariant() + "!"));
                }
            },
            Response = async context =>
            {
                if (await context.ReadBodyAsync(100) is { } body)
                {
                    context.ReplaceBody(Encoding.ASCII.GetBytes($"<{Encoding.ASCII.GetString(body.Span)}>"));
                }
            },
        });
        Assert.Equal("<HELLO!>", await PostAsync("hello"));
        Assert.Equal("<>", await PostAsync(""));

        // What is too long to be held goes through whole.
        var text = new string('x', 300_000);
        Assert.Equal(text, await PostAsync(text));
        Assert.Equal(["hello", "", "too long"], seen);

        async Task<string> PostAsync(string text)
        {
            using var response = await client.Client.PostAsync(new Uri("/echo", UriKind.Relative), new StringContent(text));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            return await response.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task Filter_ThatFailsOrMakesNoRequest_IsA500WithTheReason()
    {
        Action<MeshRequestContext> fault = _ => { };
        var client = await StartAsync(new Filter
        {
            Request = context =>
            {
                fault(context);
                return default;
            },
        });
        foreach (var (broken, reason) in new (Action<MeshRequestContext>, string)[]
        {
            (_ => throw new InvalidOperationException("no such tenant"), "no such tenant"),
            (context => context.Request.Method = "POST", "it changed the method"),
            (context => context.Request.ContentLength = 7, "it changed the length and not the body"),
            (context => context.Request.Target = "/a b", "it made a host or path that no request may have"),
        })
        {
            fault = broken;
            using var response = await client.Client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
            await _mesh.LoggedAsync($"request filter Filter failed: {reason}");
        }

        Assert.Empty(client.Pod.Requests);
        fault = _ => { };
        Assert.Equal("hello from a-0", await client.Client.GetStringAsync(new Uri("/", UriKind.Relative)));
    }

    [Theory]
    [InlineData(100, 100)]
    [InlineData(100, 40_000)]
    [InlineData(65_000, 100)]
    public async Task Mirror_GetsTheBodyThatAFilterHasHeld_AndWhatComesAfterIt(int most, int length)
    {
        var client = await StartAsync(new Filter { Request = async context => await context.ReadBodyAsync(most) });
        var copies = new System.Collections.Concurrent.ConcurrentQueue<string>();
        _mesh.AddService("shadow");
        await _mesh.AddPodAsync("shadow-0", "shadow", "shadow", map: app => app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            copies.Enqueue(await reader.ReadToEndAsync());
        }));
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/a", new HttpRoute
            {
                Name = "a",
                Namespace = "app",
                ParentRefs = [new ObjectReference("", "Service", "app", "a")],
                Rules =
                [
                    new TrafficRule
                    {
                        Matches = [new TrafficMatch()],
                        Action = new ForwardAction
                        {
                            Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "a", Port: 80), 1)],
                            Mirrors = [new TrafficMirror(new ObjectReference("", "Service", "app", "shadow", Port: 80))],
                        },
                    },
                ],
            }),
        });
        var body = string.Concat(Enumerable.Range(0, length).Select(i => (char)('a' + (i % 26))));
        using var response = await client.Client.PostAsync(new Uri("/echo", UriKind.Relative), new StringContent(body));

        Assert.Equal(body, await response.Content.ReadAsStringAsync());
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (copies.IsEmpty)
        {
            await Task.Delay(10, deadline.Token);
        }

        Assert.Equal(body, Assert.Single(copies));
    }

    private async Task<(HttpClient Client, TestPod Pod)> StartAsync(params Filter[] filters)
    {
        _mesh.Filters.AddRange(filters);
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", map: app => app.MapPost("/echo", async http =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            http.Response.ContentLength = body.Length;
            await http.Response.Body.WriteAsync(body.ToArray());
        }));
        await _mesh.StartWaypointAsync();
        return (_mesh.ThroughWaypoint(TestMesh.Id("sleep"), service), pod);
    }

    private sealed class Filter : MeshRequestFilter
    {
        public Func<MeshRequestContext, ValueTask>? Request { get; set; }

        public Func<MeshRequestContext, ValueTask>? Response { get; set; }

        public override ValueTask OnRequestAsync(MeshRequestContext context) => Request?.Invoke(context) ?? default;

        public override ValueTask OnResponseAsync(MeshRequestContext context) => Response?.Invoke(context) ?? default;
    }
}
