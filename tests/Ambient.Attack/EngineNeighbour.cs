using System.Net.Sockets;

namespace Ambient.Attack;

/// <summary>An honest client of a waypoint or gateway: requests on a connection that stays, requests on new ones, probes of readiness, and requests that the host has no part in.</summary>
internal sealed class EngineNeighbour(EngineClient client) : INeighbour
{
    private static readonly byte[] s_request = "GET /page HTTP/1.1\r\nhost: web\r\n\r\n"u8.ToArray();

    /// <inheritdoc/>
    public async Task<Dictionary<string, List<double>>> MeasureAsync(List<string> failures, CancellationToken stop)
    {
        var kept = new List<double>();
        var fresh = new List<double>();
        var probes = new List<double>();
        var direct = new List<double>();
        await Task.WhenAll(
            Neighbour.RepeatAsync("a request past the host", 4, direct, failures, (times, token) => ManyAsync(times, 200, past: true, token), stop),
            Neighbour.RepeatAsync("a request", 4, kept, failures, (times, token) => ManyAsync(times, 200, past: false, token), stop),
            Neighbour.RepeatAsync("a request on a new connection", 40, fresh, failures, (times, token) => Neighbour.TimeAsync(times, () => ManyAsync([], 1, past: false, token)), stop),
            Neighbour.RepeatAsync("a readiness probe", 100, probes, failures, (times, token) => Neighbour.TimeAsync(times, () => Neighbour.ProbeAsync(token)), stop));
        return new() { ["request"] = kept, ["request on a new connection"] = fresh, ["readiness probe"] = probes, [Neighbour.Control] = direct };
    }

    private static async Task<Stream> DirectAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(EngineHost.Web, 8080, cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private async Task ManyAsync(List<double> times, int count, bool past, CancellationToken cancellationToken)
    {
        await using var stream = past ? await DirectAsync(cancellationToken) : await client.OpenAsync("web", cancellationToken);
        var buffer = new byte[4096];
        for (var i = 0; i < count; i++)
        {
            await Neighbour.TimeAsync(times, async () =>
            {
                await stream.WriteAsync(s_request, cancellationToken);
                await stream.FlushAsync(cancellationToken);
                var held = 0;
                int end;
                while ((end = buffer.AsSpan(0, held).IndexOf("\r\n\r\n"u8)) < 0 || held < end + 4 + 1024)
                {
                    var read = await stream.ReadAsync(buffer.AsMemory(held), cancellationToken);
                    held += read > 0 ? read : throw new IOException($"the connection ended after {held} bytes of an answer");
                }

                if (!buffer.AsSpan().StartsWith("HTTP/1.1 200"u8))
                {
                    throw new IOException($"answered {System.Text.Encoding.ASCII.GetString(buffer, 0, 40)}");
                }
            });
            if (count > 1)
            {
                await Task.Delay(4, cancellationToken);
            }
        }
    }
}
