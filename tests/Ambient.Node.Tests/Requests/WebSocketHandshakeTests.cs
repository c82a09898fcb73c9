using Ambient.Http;
using Ambient.Node.Requests.Forwarding;

namespace Ambient.Node.Tests.Requests;

/// <summary>The key of a WebSocket's handshake, over tries to endpoints of different versions.</summary>
public sealed class WebSocketHandshakeTests
{
    private const string Key = "sec-websocket-key";

    [Fact]
    public void KeyThatATryOverHttp1Needs_IsNotSentOverHttp2()
    {
        var head = new RequestHead { Version = HttpProtocolVersion.Http2, Method = "GET", Upgrade = "websocket" };
        string? clientKey = null;
        WebSocketHandshake.Begin(head, ref clientKey, toHttp2: false);
        var first = head.Fields.Get(Key);
        Assert.Equal(16, Convert.FromBase64String(first!).Length);

        WebSocketHandshake.Begin(head, ref clientKey, toHttp2: true);
        Assert.False(head.Fields.Contains(Key));
        WebSocketHandshake.Begin(head, ref clientKey, toHttp2: false);
        Assert.NotEqual(first, head.Fields.Get(Key));
        Assert.Null(clientKey);
    }

    [Fact]
    public void KeyOfAnHttp1Client_IsPutBackForATryOverHttp1()
    {
        var head = new RequestHead { Version = HttpProtocolVersion.Http11, Method = "GET", Upgrade = "websocket" };
        head.Fields.Add(Key, "dGhlIHNhbXBsZSBub25jZQ==");
        string? clientKey = null;
        WebSocketHandshake.Begin(head, ref clientKey, toHttp2: true);
        Assert.False(head.Fields.Contains(Key));
        WebSocketHandshake.Begin(head, ref clientKey, toHttp2: false);
        Assert.Equal("dGhlIHNhbXBsZSBub25jZQ==", head.Fields.Get(Key));
    }
}
