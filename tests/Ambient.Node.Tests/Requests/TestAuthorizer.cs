using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using Ambient.Node.Protos.ExternalAuth;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Requests;

/// <summary>An external authorizer on an address of its own: it speaks gRPC on port 9000 and HTTP on port 8080, both in clear.</summary>
internal sealed class TestAuthorizer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestAuthorizer(WebApplication app) => _app = app;

    /// <summary>What it was asked.</summary>
    public ConcurrentQueue<CheckRequest> Checks { get; } = new();

    /// <summary>What it answers.</summary>
    public Func<CheckRequest, CheckResponse> Decide { get; set; } = _ => new CheckResponse();

    /// <summary>What it was asked over HTTP.</summary>
    public ConcurrentQueue<SeenRequest> Requests { get; } = new();

    /// <summary>What it answers over HTTP; by default 200.</summary>
    public RequestDelegate Answer { get; set; } = _ => Task.CompletedTask;

    public static async Task<TestAuthorizer> StartAsync(IPAddress address)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(address, 9000, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(address, 8080, listen => listen.Protocols = HttpProtocols.Http1);
        });
        var app = builder.Build();
        var authorizer = new TestAuthorizer(app);
        app.MapPost("/envoy.service.auth.v3.Authorization/Check", async http =>
        {
            var check = await ReadAsync(http);
            authorizer.Checks.Enqueue(check);
            await AnswerAsync(http, authorizer.Decide(check));
        });
        app.MapFallback(async http =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            var headers = http.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString());
            headers["(body)"] = System.Text.Encoding.UTF8.GetString(body.ToArray());
            authorizer.Requests.Enqueue(new SeenRequest(
                http.Request.Method, http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, http.Request.Protocol, headers, http.Connection.RemoteIpAddress!));
            await authorizer.Answer(http);
        });
        await app.StartAsync();
        return authorizer;
    }

    public static async Task<CheckRequest> ReadAsync(HttpContext http)
    {
        using var message = new MemoryStream();
        await http.Request.Body.CopyToAsync(message);
        var bytes = message.ToArray();
        Assert.Equal(bytes.Length - 5, BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(1)));
        return CheckRequest.Parser.ParseFrom(bytes.AsSpan(5));
    }

    public static async Task AnswerAsync(HttpContext http, CheckResponse answer)
    {
        var size = answer.CalculateSize();
        var reply = new byte[5 + size];
        BinaryPrimitives.WriteInt32BigEndian(reply.AsSpan(1), size);
        answer.WriteTo(reply.AsSpan(5));
        http.Response.ContentType = "application/grpc";
        await http.Response.Body.WriteAsync(reply);
        http.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers["grpc-status"] = "0";
    }

    public static CheckResponse Denied(int status, string body = "") => new()
    {
        Status = new Status { Code = 7, Message = "no" },
        DeniedResponse = new DeniedResponse { Status = new Protos.ExternalAuth.HttpStatus { Code = status }, Body = body },
    };

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
