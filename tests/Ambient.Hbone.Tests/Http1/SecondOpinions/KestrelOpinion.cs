using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>Kestrel, which answers each request with what it has read, as JSON.</summary>
internal sealed class KestrelOpinion : IAsyncDisposable
{
    private readonly WebApplication _app;

    private KestrelOpinion(WebApplication app) => _app = app;

    public IPEndPoint EndPoint => IPEndPoint.Parse(new Uri(_app.Urls.Single()).Authority);

    public static async Task<KestrelOpinion> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static options =>
        {
            options.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http1);
            options.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
            options.Limits.MaxRequestHeadersTotalSize = 60 * 1024;
            options.Limits.MaxRequestLineSize = 60 * 1024;
            options.Limits.MinRequestBodyDataRate = null;
            options.Limits.MaxRequestBodySize = null;
        });
        var app = builder.Build();
        app.Run(AnswerAsync);
        await app.StartAsync();
        return new KestrelOpinion(app);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static async Task AnswerAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        var trailers = http.Features.Get<IHttpRequestTrailersFeature>() is { Available: true } feature ? feature.Trailers : new HeaderDictionary();
        var answer = JsonSerializer.SerializeToUtf8Bytes(new
        {
            method = http.Request.Method,
            target = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget,
            fields = Flat(http.Request.Headers),
            body = Convert.ToHexStringLower(body.ToArray()),
            trailers = Flat(trailers),
        });
        http.Response.ContentLength = answer.Length;
        await http.Response.Body.WriteAsync(answer);
    }

    private static string[] Flat(IHeaderDictionary fields) => [.. fields.SelectMany(static field => field.Value.SelectMany(value => new[] { field.Key, value ?? "" }))];
}
