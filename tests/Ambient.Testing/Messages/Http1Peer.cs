using System.Globalization;
using System.Text;

namespace Ambient.Testing.Messages;

/// <summary>A peer of HTTP/1.1. A body without a length goes in chunks.</summary>
internal sealed class Http1Peer(Stream stream) : MessagePeer
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private bool _sendsChunks;
    private bool _asksForHead;
    private bool _receivesChunks;
    private int _left;

    public override Task SendHeadAsync(bool isWhole, params (string Name, string Value)[] fields)
    {
        var told = fields.ToDictionary(field => field.Name, field => field.Value);
        var text = new StringBuilder();
        if (told.TryGetValue(":method", out var method))
        {
            _asksForHead = method == "HEAD";
            text.Append(CultureInfo.InvariantCulture, $"{method} {told[":path"]} HTTP/1.1\nhost: {told[":authority"]}\n");
        }
        else
        {
            text.Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {told[":status"]} Any\n");
        }

        foreach (var (name, value) in fields.Where(field => field.Name[0] != ':'))
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}: {value}\n");
        }

        if (told.ContainsKey("te"))
        {
            text.Append("connection: te\n");
        }

        _sendsChunks = !isWhole && !told.ContainsKey("content-length") && told.GetValueOrDefault(":status")?[0] != '1';
        return WriteAsync(text.Append(_sendsChunks ? "transfer-encoding: chunked\n\n" : "\n").ToString());
    }

    public override Task SendAsync(string piece) => WriteAsync(_sendsChunks ? $"{piece.Length:x}\n{piece}\n" : piece);

    public override Task EndAsync(params (string Name, string Value)[] trailers) =>
        _sendsChunks ? WriteAsync($"0\n{string.Concat(trailers.Select(trailer => $"{trailer.Name}: {trailer.Value}\n"))}\n") : Task.CompletedTask;

    public override async Task<MessageStart> ReceiveHeadAsync()
    {
        var first = (await LineAsync()).Split(' ', 3);
        List<(string, string)> fields = first[0] == "HTTP/1.1" ? [(":status", first[1])] : [(":method", first[0]), (":path", first[1])];
        fields.AddRange(await FieldsAsync());
        var head = new MessageStart(fields);
        _receivesChunks = !_asksForHead && head["transfer-encoding"] == "chunked";
        _left = _asksForHead ? 0 : int.Parse(head["content-length"] ?? "0", CultureInfo.InvariantCulture);
        return head;
    }

    public override async Task<string> ReceiveAsync(int count)
    {
        var text = new StringBuilder();
        while (text.Length < count)
        {
            var size = _receivesChunks ? await ChunkAsync() : Math.Min(_left, count - text.Length);
            if (size == 0)
            {
                throw new InvalidOperationException($"the body ended before {count} bytes of it: {text}");
            }

            var piece = new byte[size];
            await stream.ReadExactlyAsync(piece).AsTask().WaitAsync(s_patience);
            text.Append(Encoding.Latin1.GetString(piece));
            if (_receivesChunks)
            {
                await LineAsync();
            }

            _left -= _receivesChunks ? 0 : size;
        }

        return text.ToString();
    }

    public override async Task<List<(string Name, string Value)>> ReceiveEndAsync()
    {
        if (_left > 0 || (_receivesChunks && await ChunkAsync() > 0))
        {
            throw new InvalidOperationException("there is more of the body");
        }

        return _receivesChunks ? await FieldsAsync() : [];
    }

    public override ValueTask DisposeAsync() => stream.DisposeAsync();

    private async Task WriteAsync(string text)
    {
        await stream.WriteAsync(Encoding.Latin1.GetBytes(text.Replace("\n", "\r\n", StringComparison.Ordinal)));
        await stream.FlushAsync();
    }

    private async Task<int> ChunkAsync() => int.Parse((await LineAsync()).Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private async Task<List<(string Name, string Value)>> FieldsAsync()
    {
        List<(string, string)> fields = [];
        while (await LineAsync() is { Length: > 0 } line)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            fields.Add((line[..colon].ToLowerInvariant(), line[(colon + 1)..].Trim()));
        }

        return fields;
    }

    private async Task<string> LineAsync()
    {
        var line = new StringBuilder();
        var next = new byte[1];
        while (next[0] != '\n')
        {
            await stream.ReadExactlyAsync(next).AsTask().WaitAsync(s_patience);
            line.Append((char)next[0]);
        }

        return line.ToString().TrimEnd('\r', '\n');
    }
}
