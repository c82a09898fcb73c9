using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1.Corpora;

/// <summary>
/// The cases of two corpora, as our server and client take them, over sockets: those of https://github.com/MDA2AV/Http11Probe (95bc6a9) that are about
/// a server's HTTP and not about its application, and those of https://github.com/nodejs/llhttp (9.4.2) that are read strictly, with a Host where
/// they have none. Each has what the corpus says of it, what becomes of it here, and why where the two differ. Both are under the MIT licence.
/// </summary>
public sealed partial class Http1CorpusTests
{
    private static readonly Case[] s_cases = Load();

    public static TheoryData<string> Corpora => ["Http11Probe", "llhttp requests", "llhttp responses"];

    [Fact]
    public void Corpora_AreWhole() =>
        Assert.Equal([("Http11Probe", 194), ("llhttp requests", 137), ("llhttp responses", 77)], s_cases.GroupBy(static one => one.Corpus).Select(static group => (group.Key, group.Count())));

    [Theory]
    [MemberData(nameof(Corpora))]
    public async Task Case_IsTakenOrRefusedAsTheTableSays(string corpus)
    {
        var application = new Application();
        await using var server = new MessageKit(application.AnswerAsync, new MessageServerOptions { AcceptHttp10 = corpus != "Http11Probe" });
        var wrong = new List<string>();
        foreach (var one in s_cases.Where(one => one.Corpus == corpus))
        {
            var outcome = one.Corpus == "llhttp responses" ? await ReceivedAsync(one) : await ServedAsync(server, application, one.Bytes);
            if (outcome != one.Ours)
            {
                wrong.Add($"{one.Name}\t{outcome}");
            }
        }

        Assert.True(wrong.Count == 0, $"what became of {wrong.Count} cases:\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Difference_FromACorpus_HasItsReason_AndNothingElseHasOne()
    {
        var wrong = s_cases.Where(static one => one.Differs == (one.Why.Length == 0)).Select(static one => $"{one.Corpus}: {one.Name}: {one.Theirs} there, {one.Ours} here: \"{one.Why}\"");

        Assert.Empty(wrong);
    }

    /// <summary>Statuses in order, interim ones left out, and behind a bar the requests that were read.</summary>
    private static async Task<string> ServedAsync(MessageKit server, Application application, byte[] bytes)
    {
        using var socket = await server.ConnectAsync();
        var sending = SendAsync(socket, bytes);
        var text = await ReadAsync(socket);
        await sending;
        var statuses = Statuses().Matches(text).Select(static match => match.Groups[1].Value).Where(static status => status != "100");
        return $"{string.Join(' ', statuses)} | {string.Join("; ", await application.TakeAsync())}";
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (bytes.Length > 0)
            {
                bytes = bytes[await socket.SendAsync(bytes)..];
            }

            // Nothing more will come: what is whole is answered, what is not is given up, and the connection ends.
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // Refused before it was whole.
        }
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        var all = new MemoryStream();
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer).WaitAsync(MessageKit.Patience) is > 0 and var count)
            {
                all.Write(buffer, 0, count);
            }
        }
        catch (SocketException)
        {
            // It was closed over bytes that nobody wanted.
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>Status and body that a client reads, or what broke it off.</summary>
    private static async Task<string> ReceivedAsync(Case one)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!);
        using var accepted = await listener.AcceptAsync();
        await using var connection = MessageClient.Open(MessageChannel.Over(socket, HboneIo.Default), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = one.ToHead ? "HEAD" : "GET", Authority = "a", Target = "/" }, end: true);
            await exchange.FlushAsync();
            await accepted.ReceiveAsync(new byte[4096]);
            await SendAsync(accepted, one.Bytes);
            var statuses = "";
            try
            {
                ResponseHead head;
                do
                {
                    head = await exchange.ReceiveHeadAsync().AsTask().WaitAsync(MessageKit.Patience);
                    statuses += statuses.Length == 0 ? $"{head.Status}" : $" {head.Status}";
                }
                while (head.Status is >= 100 and < 200 and not 101);

                var body = head.HasBody ? await MessageKit.ReadAllAsync(exchange).AsTask().WaitAsync(MessageKit.Patience) : "";
                return body.Length == 0 ? statuses : $"{statuses}: {Short(body)}";
            }
            catch (MessageException e)
            {
                return statuses.Length == 0 ? $"{e.Fault}" : $"{statuses}, {e.Fault}";
            }
        }
    }

    private static string Short(string text) =>
        (text.Length <= 60 ? text : $"{text[..20]}... ({text.Length})").Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal);

    private static Case[] Load()
    {
        using var corpus = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Http1", "Corpora", "http1-cases.json")));
        return [.. corpus.RootElement.GetProperty("cases").EnumerateArray().Select(static one => new Case(
            Text(one, "corpus"), Text(one, "name"), Text(one, "theirs"), Text(one, "ours"), Text(one, "why"), one.TryGetProperty("toHead", out _),
            Encoding.Latin1.GetBytes(Run().Replace(Text(one, "bytes"), static run => new string(run.Groups[1].Value[0], int.Parse(run.Groups[2].Value, CultureInfo.InvariantCulture))))))];
    }

    private static string Text(JsonElement one, string property) => one.TryGetProperty(property, out var value) ? value.GetString()! : "";

    [GeneratedRegex(@"HTTP/1\.[01] ([0-9]{3}) ")]
    private static partial Regex Statuses();

    // A character that stands there so many times.
    [GeneratedRegex(@"⟨(.)\*([0-9]+)⟩", RegexOptions.Singleline)]
    private static partial Regex Run();

    /// <param name="Corpus">Whose it is.</param>
    /// <param name="Name">What it is called there.</param>
    /// <param name="Theirs">Http11Probe's verdict of this server: "pass", "warn" (allowed, and something else would be better) or "fail"; of llhttp how many messages it takes, and why no more.</param>
    /// <param name="Ours">What becomes of it here.</param>
    /// <param name="Why">Why that is not what the corpus wants.</param>
    /// <param name="ToHead">Whether it answers HEAD.</param>
    /// <param name="Bytes">What is sent.</param>
    private sealed record Case(string Corpus, string Name, string Theirs, string Ours, string Why, bool ToHead, byte[] Bytes)
    {
        /// <summary>Whether the corpus wants something else: another answer, or another number of messages taken. A refusal is one, however it is put.</summary>
        public bool Differs => Corpus switch
        {
            "Http11Probe" => Theirs == "fail",
            "llhttp requests" => (Statuses.Count(IsTaken), Statuses.Any(static status => !IsTaken(status))) != Read,
            _ => Ours.Contains("Malformed", StringComparison.Ordinal) != Read.Refused,
        };

        // What is sent behind the end of a connection is passed over here, which comes to the same.
        private (int Taken, bool Refused) Read => (Theirs[0] - '0', Theirs.Contains(',', StringComparison.Ordinal) && !Theirs.Contains("Data after `Connection: close`", StringComparison.Ordinal));

        private string[] Statuses => Ours[..Ours.IndexOf('|', StringComparison.Ordinal)].Split(' ', StringSplitOptions.RemoveEmptyEntries);

        private static bool IsTaken(string status) => status is "200" or "405";
    }

    /// <summary>What the server is for: it reads each request whole, and answers. One connection at a time.</summary>
    private sealed class Application
    {
        private readonly List<string> _read = [];
        private int _running;

        /// <summary>What was read since the last time, once nothing is being read any more.</summary>
        public async Task<string[]> TakeAsync()
        {
            using var patience = new CancellationTokenSource(MessageKit.Patience);
            while (Volatile.Read(ref _running) > 0)
            {
                await Task.Delay(1, patience.Token);
            }

            lock (_read)
            {
                string[] read = [.. _read];
                _read.Clear();
                return read;
            }
        }

        public async ValueTask AnswerAsync(ServerExchange exchange)
        {
            Interlocked.Increment(ref _running);
            var read = new StringBuilder(Short($"{exchange.Request.Method} {exchange.Request.Target} {exchange.Request.Authority}"));
            try
            {
                var body = await MessageKit.ReadAllAsync(exchange);
                if (body.Length > 0)
                {
                    read.Append(": ").Append(Short(body));
                }

                for (var i = 0; i < exchange.Trailers.Count; i++)
                {
                    read.Append(CultureInfo.InvariantCulture, $", {exchange.Trailers[i].NameText}={exchange.Trailers[i].ValueText}");
                }

                exchange.Response.Status = exchange.Request.Method == "CONNECT" ? 405 : 200;
                await exchange.SendHeadAsync(exchange.Response, end: true);
            }
            catch (MessageException e)
            {
                read.Append(CultureInfo.InvariantCulture, $", {e.Fault}");
                throw;
            }
            finally
            {
                lock (_read)
                {
                    _read.Add(read.ToString());
                }

                Interlocked.Decrement(ref _running);
            }
        }
    }
}
