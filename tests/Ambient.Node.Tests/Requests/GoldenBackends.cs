using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Requests;

/// <summary>The backends of the recordings, on the addresses that the recorded pods had; kept from case to case.</summary>
internal sealed class GoldenBackends : IAsyncDisposable
{
    private readonly Dictionary<IPAddress, WebApplication> _apps = [];

    /// <summary>Requests seen since the last <see cref="Clear"/>, in order.</summary>
    public ConcurrentQueue<GoldenSeen> Seen { get; } = new();

    /// <summary>How many of the next gRPC calls fail, and with which status.</summary>
    public (int Count, int Code) Failing { get; set; }

    public void Clear()
    {
        Seen.Clear();
        Failing = default;
    }

    public async Task StartAsync(IPAddress address)
    {
        if (_apps.ContainsKey(address))
        {
            return;
        }

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(address, 8080, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(address, 9000, listen => listen.Protocols = HttpProtocols.Http2);
        });
        var app = builder.Build();
        app.Run(async http =>
        {
            var seen = new GoldenSeen(
                address,
                http.Request.Method,
                http.Features.Get<IHttpRequestFeature>()!.RawTarget,
                [.. http.Request.Headers.SelectMany(header => header.Value.Select(value => (Name: header.Key.ToLowerInvariant(), Value: value ?? ""))).OrderBy(header => header.Name, StringComparer.Ordinal)]);
            Seen.Enqueue(seen);
            http.Response.Headers["x-echo"] = "1";
            if (http.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true)
            {
                http.Response.ContentType = "application/grpc";
                if (Failing is { Count: > 0 } failing)
                {
                    Failing = (failing.Count - 1, failing.Code);
                    http.Response.AppendTrailer("grpc-status", $"{failing.Code}");
                    http.Response.AppendTrailer("grpc-message", "asked for");
                    return;
                }

                await http.Response.Body.WriteAsync(new byte[5]);
                http.Response.AppendTrailer("grpc-status", "0");
                return;
            }

            // What the answer has besides, as the request asks: name=value;name=value.
            foreach (var field in http.Request.Headers["x-answer"].SelectMany(value => value!.Split(';')))
            {
                http.Response.Headers.Append(field[..field.IndexOf('=')], field[(field.IndexOf('=') + 1)..]);
            }

            if (int.TryParse(http.Request.Query["reset"], CultureInfo.InvariantCulture, out var resets) && Seen.Count <= resets)
            {
                http.Abort();
                return;
            }

            // Every try is slow, or only the first ones.
            if (double.TryParse(http.Request.Query["delay"], CultureInfo.InvariantCulture, out var seconds)
                && (!int.TryParse(http.Request.Query["slow"], CultureInfo.InvariantCulture, out var slow) || Seen.Count <= slow))
            {
                await Task.Delay(TimeSpan.FromSeconds(seconds), http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            // The first tries of a request fail, as its query asks.
            if (int.TryParse(http.Request.Query["fail"], CultureInfo.InvariantCulture, out var failures) && Seen.Count <= failures)
            {
                http.Response.StatusCode = int.Parse(http.Request.Query["code"]!, CultureInfo.InvariantCulture);
            }

            await http.Response.WriteAsync(address.ToString());
        });
        await app.StartAsync();
        _apps.Add(address, app);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var app in _apps.Values)
        {
            await app.DisposeAsync();
        }
    }
}

/// <summary>A request as a backend saw it.</summary>
internal sealed record GoldenSeen(IPAddress Pod, string Method, string Target, (string Name, string Value)[] Headers);
