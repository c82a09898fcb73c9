using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Short forms for tests that read and write messages.</summary>
internal static class MessageText
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>All of the body.</summary>
    public static async Task<byte[]> ReadToEndAsync(this MessageExchange exchange)
    {
        var all = new MemoryStream();
        while (true)
        {
            var piece = await exchange.ReadAsync().AsTask().WaitAsync(Patience);
            if (piece.IsEmpty)
            {
                return all.ToArray();
            }

            all.Write(piece.Span);
        }
    }

    public static async Task<string> ReadTextAsync(this MessageExchange exchange) => Encoding.UTF8.GetString(await exchange.ReadToEndAsync());

    /// <summary>Answers with a text.</summary>
    public static async ValueTask AnswerAsync(this ServerExchange exchange, string text, int status = 200)
    {
        exchange.Response.Status = status;
        exchange.Response.Fields.Add("content-type", "text/plain");
        exchange.Response.ContentLength = text.Length;
        exchange.Response.HasBody = true;
        await exchange.SendHeadAsync(exchange.Response, end: false);
        await exchange.WriteAsync(Encoding.UTF8.GetBytes(text));
        await exchange.EndAsync();
    }

    /// <summary>Says what the request was, and sends its body back.</summary>
    public static async ValueTask EchoAsync(ServerExchange exchange)
    {
        var request = exchange.Request;
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.Fields.Add("x-request", $"{request.Method} {request.Scheme} {request.Authority} {request.Target}");
        for (var i = 0; i < request.Fields.Count; i++)
        {
            exchange.Response.Fields.Add($"x-{request.Fields[i].NameText}", request.Fields[i].ValueText);
        }

        await exchange.SendHeadAsync(exchange.Response, end: false);
        while (true)
        {
            var piece = await exchange.ReadAsync();
            if (piece.IsEmpty)
            {
                break;
            }

            await exchange.WriteAsync(piece);
            await exchange.FlushAsync();
        }

        await exchange.EndAsync(exchange.Trailers);
    }

    public static RequestHead Get(string target = "/", string authority = "server.test")
    {
        var head = new RequestHead { Method = "GET", Scheme = "http", Authority = authority, Target = target };
        return head;
    }

    public static RequestHead Post(long? length = null, string target = "/", string authority = "server.test") =>
        new() { Method = "POST", Scheme = "http", Authority = authority, Target = target, HasBody = true, ContentLength = length };
}
