using System.Text.Json.Nodes;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.EndToEnd.Tests.Wire;

/// <summary>
/// Frames in the words of the recordings (those of Python's h2, which made them), normalised where a run is free: DATA in
/// how many frames, and what streams do between each other.
/// </summary>
internal static class RecordedEvents
{
    /// <summary>The event of a frame, or null for one that has none.</summary>
    public static JsonObject? Of(ReceivedFrame frame, RudePeer peer) => frame.Type switch
    {
        FrameType.Settings when frame.Header.HasFlag(FrameFlags.Ack) => new() { ["event"] = "SettingsAcknowledged" },
        FrameType.Settings => new()
        {
            ["event"] = "RemoteSettingsChanged",
            ["settings"] = new JsonObject(frame.Settings.OrderBy(entry => entry.Key).Select(entry => KeyValuePair.Create<string, JsonNode?>($"{entry.Key}", entry.Value))),
        },
        FrameType.WindowUpdate => new() { ["event"] = "WindowUpdated", ["stream"] = frame.StreamId, ["delta"] = frame.Increment },
        FrameType.Headers => Headers(frame, peer),
        FrameType.Data => new() { ["event"] = "DataReceived", ["stream"] = frame.StreamId, ["length"] = frame.Payload.Length, ["end"] = frame.EndStream },
        FrameType.RstStream => new() { ["event"] = "StreamReset", ["stream"] = frame.StreamId, ["code"] = (uint)frame.Code },
        FrameType.GoAway => new() { ["event"] = "ConnectionTerminated", ["code"] = (uint)frame.Code, ["last"] = frame.LastStreamId },
        FrameType.Ping when !frame.Header.HasFlag(FrameFlags.Ack) => new() { ["event"] = "PingReceived", ["data"] = "*" },
        _ => null,
    };

    /// <summary>
    /// One line an event: those of the connection first, in an order of their own, then each stream's in theirs. Successive
    /// DATA frames of a stream are one. The end of a stream is told by the frame that has it.
    /// </summary>
    public static List<string> Normalise(IEnumerable<JsonObject> events)
    {
        var connection = new List<string>();
        var streams = new SortedDictionary<int, List<JsonObject>>();
        foreach (var original in events.Where(e => (string?)e["event"] != "StreamEnded"))
        {
            var e = original.DeepClone().AsObject();
            if (e["stream"] is not { } id || (int)id == 0)
            {
                // An end is an end: what a TLS library says of it is its own.
                e.Remove("why");
                connection.Add(e.ToJsonString());
                continue;
            }

            if (!streams.TryGetValue((int)id, out var stream))
            {
                streams.Add((int)id, stream = []);
            }

            if (IsData(e) && stream.LastOrDefault() is { } last && IsData(last))
            {
                last["length"] = (int)last["length"]! + (int)e["length"]!;
            }
            else
            {
                stream.Add(e);
            }
        }

        connection.Sort(StringComparer.Ordinal);
        return [.. connection, .. streams.Values.SelectMany(stream => stream.Select(e => e.ToJsonString()))];
    }

    /// <summary>Fails with the first line that differs, and all lines of both sides.</summary>
    public static void AssertEqual(IReadOnlyList<string> recorded, IReadOnlyList<string> ours)
    {
        for (var i = 0; i < Math.Max(recorded.Count, ours.Count); i++)
        {
            var (theirs, mine) = (i < recorded.Count ? recorded[i] : "(nothing)", i < ours.Count ? ours[i] : "(nothing)");
            Assert.True(theirs == mine, $"line {i + 1} differs\nrecorded: {theirs}\nours:     {mine}\n\nall recorded:\n{string.Join('\n', recorded)}\n\nall of ours:\n{string.Join('\n', ours)}");
        }
    }

    private static bool IsData(JsonObject e) => (string?)e["event"] == "DataReceived" && !(bool)e["end"]!;

    private static JsonObject Headers(ReceivedFrame frame, RudePeer peer)
    {
        var headers = peer.Decode(frame);
        return new JsonObject
        {
            ["event"] = headers.Any(header => header.Name == ":status") ? "ResponseReceived" : "RequestReceived",
            ["stream"] = frame.StreamId,
            ["headers"] = new JsonArray([.. headers.Select(header => new JsonArray(header.Name, header.Value))]),
            ["end"] = frame.EndStream,
        };
    }
}
