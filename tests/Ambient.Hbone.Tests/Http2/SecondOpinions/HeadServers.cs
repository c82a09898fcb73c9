using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Tests.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Hbone.Tests.Http2.SecondOpinions;

/// <summary>Servers of HTTP/2 that answer each request with what they have read: a list of names and values, and the length of the body.</summary>
internal static class HeadServers
{
    /// <summary>Ours.</summary>
    public static MessageKit Ours() => new(static async exchange =>
    {
        var request = exchange.Request;
        List<string> fields =
        [
            ":method", request.Upgrade is null ? request.Method : "CONNECT", ":scheme", request.Scheme, ":authority", request.Authority, ":path", request.Method == "CONNECT" ? "" : request.Target,
            ":protocol", request.Upgrade ?? "",
        ];
        for (var i = 0; i < request.Fields.Count; i++)
        {
            fields.Add(request.Fields[i].NameText);
            fields.Add(request.Fields[i].ValueText);
        }

        var length = request.Method == "CONNECT" || request.Upgrade is not null ? 0 : (await MessageKit.ReadAllAsync(exchange)).Length;
        var answer = JsonSerializer.SerializeToUtf8Bytes(new { fields, length });
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.Upgrade = request.Upgrade;
        await exchange.SendHeadAsync(exchange.Response, end: false);
        await exchange.WriteAsync(answer);
        await exchange.EndAsync();
    });

    public static async Task<WebApplication> KestrelAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static options =>
        {
            options.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http2);
            options.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
            options.Limits.MaxRequestHeadersTotalSize = 60 * 1024;
            options.Limits.Http2.MaxRequestHeaderFieldSize = 60 * 1024;
            options.Limits.MinRequestBodyDataRate = null;
        });
        var app = builder.Build();
        app.Run(static async http =>
        {
            var extended = http.Features.Get<IHttpExtendedConnectFeature>();
            var raw = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
            List<string> fields = [":method", http.Request.Method, ":scheme", http.Request.Scheme, ":path", raw, ":protocol", extended?.Protocol ?? ""];
            fields.AddRange(http.Request.Headers.SelectMany(static field => field.Value.SelectMany(value => new[] { field.Key, value ?? "" })));
            using var body = new MemoryStream();
            var answer = http.Response.Body;
            if (extended is { IsExtendedConnect: true })
            {
                answer = await extended.AcceptAsync();
            }
            else
            {
                await http.Request.Body.CopyToAsync(body);
            }

            await answer.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new { fields, length = body.Length }));
        });
        await app.StartAsync();
        return app;
    }

    /// <summary>Node's, in a process of its own; see <c>http2-server.mjs</c>. Null where there is no Node. Ends with its standard input.</summary>
    public static async Task<(Process Process, IPEndPoint EndPoint)?> NodeAsync()
    {
        var start = new ProcessStartInfo("node") { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Http2", "SecondOpinions", "http2-server.mjs"));
        try
        {
            var process = Process.Start(start)!;
            var port = await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30));
            return (process, new IPEndPoint(IPAddress.Loopback, int.Parse(port!, CultureInfo.InvariantCulture)));
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
