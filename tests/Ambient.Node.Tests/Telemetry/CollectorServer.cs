using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Ambient.Node.Protos.Logs;
using Ambient.Node.Protos.Trace;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>A collector of OpenTelemetry: OTLP over gRPC on one port, over HTTP on another.</summary>
internal sealed class CollectorServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private CollectorServer(WebApplication app) => _app = app;

    /// <summary>Every span with the attributes of its resource.</summary>
    public ConcurrentQueue<(string Service, Span Span)> Spans { get; } = new();

    /// <summary>Attributes of the resources that spans came with.</summary>
    public ConcurrentQueue<string> Resources { get; } = new();

    /// <summary>Every record of an access log.</summary>
    public ConcurrentQueue<LogRecord> Records { get; } = new();

    /// <summary>Every span that came as Zipkin's JSON.</summary>
    public ConcurrentQueue<JsonElement> ZipkinSpans { get; } = new();

    /// <summary>Headers of the messages that came over HTTP.</summary>
    public ConcurrentQueue<string> Keys { get; } = new();

    public Uri Grpc { get; private set; } = null!;

    public Uri Http { get; private set; } = null!;

    /// <summary>What is answered over HTTP.</summary>
    public int Status { get; set; } = 200;

    public static async Task<CollectorServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton<Receiver>();
        builder.Services.AddSingleton<LogReceiver>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        var app = builder.Build();
        var server = new CollectorServer(app);
        app.Services.GetRequiredService<Receiver>().Server = server;
        app.Services.GetRequiredService<LogReceiver>().Server = server;
        app.MapGrpcService<Receiver>();
        app.MapPost("/v1/traces", async (HttpContext http) =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            server.Keys.Enqueue($"{http.Request.ContentType} {http.Request.Headers["x-key"]}");
            http.Response.StatusCode = server.Status;
            if (server.Status == 200)
            {
                server.Take(ExportTraceServiceRequest.Parser.ParseFrom(body.ToArray()));
            }
        });
        app.MapGrpcService<LogReceiver>();
        app.MapPost("/api/v2/spans", async (HttpContext http) =>
        {
            foreach (var span in (await JsonSerializer.DeserializeAsync<JsonElement>(http.Request.Body)).EnumerateArray())
            {
                server.ZipkinSpans.Enqueue(span);
            }

            http.Response.StatusCode = 202;
        });
        await app.StartAsync();
        var addresses = app.Urls.Select(url => new Uri(url)).ToArray();
        (server.Grpc, server.Http) = (addresses[0], new Uri(addresses[1], "/v1/traces"));
        return server;
    }

    /// <summary>Waits for spans.</summary>
    public async Task<(string Service, Span Span)[]> WaitAsync(Func<(string Service, Span Span)[], bool> condition, Func<string>? more = null)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var spans = Spans.ToArray();
            if (condition(spans))
            {
                return spans;
            }

            Assert.False(deadline.IsCancellationRequested, $"{spans.Length} spans came: {string.Join(", ", spans.Select(span => span.Span))} {more?.Invoke()}");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private void Take(ExportTraceServiceRequest request)
    {
        foreach (var resource in request.ResourceSpans)
        {
            Resources.Enqueue(string.Join(' ', resource.Resource.Attributes.Select(attribute => $"{attribute.Key}={attribute.Value.StringValue}")));
            var service = resource.Resource.Attributes.Single(attribute => attribute.Key == "service.name").Value.StringValue;
            foreach (var span in resource.ScopeSpans.SelectMany(scope => scope.Spans))
            {
                Spans.Enqueue((service, span));
            }
        }
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1812", Justification = "Made by the container.")]
    internal sealed class Receiver : TraceService.TraceServiceBase
    {
        public CollectorServer Server { get; set; } = null!;

        public override Task<ExportTraceServiceResponse> Export(ExportTraceServiceRequest request, ServerCallContext context)
        {
            Server.Take(request);
            return Task.FromResult(new ExportTraceServiceResponse());
        }
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1812", Justification = "Made by the container.")]
    internal sealed class LogReceiver : LogsService.LogsServiceBase
    {
        public CollectorServer Server { get; set; } = null!;

        public override Task<ExportLogsServiceResponse> Export(ExportLogsServiceRequest request, ServerCallContext context)
        {
            foreach (var record in request.ResourceLogs.SelectMany(resource => resource.ScopeLogs).SelectMany(scope => scope.LogRecords))
            {
                Server.Records.Enqueue(record);
            }

            return Task.FromResult(new ExportLogsServiceResponse());
        }
    }
}
