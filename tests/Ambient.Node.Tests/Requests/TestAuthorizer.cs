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

/// <summary>An external authorizer that speaks gRPC in clear, on port 9000 of an address of its own.</summary>
internal sealed class TestAuthorizer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestAuthorizer(WebApplication app) => _app = app;

    /// <summary>What it was asked.</summary>
    public ConcurrentQueue<CheckRequest> Checks { get; } = new();

    /// <summary>What it answers.</summary>
    public Func<CheckRequest, CheckResponse> Decide { get; set; } = _ => new CheckResponse();

    public static async Task<TestAuthorizer> StartAsync(IPAddress address)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(address, 9000, listen => listen.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        var authorizer = new TestAuthorizer(app);
        app.MapPost("/envoy.service.auth.v3.Authorization/Check", async http =>
        {
            var check = await ReadAsync(http);
            authorizer.Checks.Enqueue(check);
            await AnswerAsync(http, authorizer.Decide(check));
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
