using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Ambient.Hbone.Http2.Framing;
using Ambient.Identity;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using Ambient.Testing.Http2;

namespace Ambient.EndToEnd.Tests.Wire;

/// <summary>Every case of <c>golden/ztunnel/wire.server.jsonl</c>: asked of our ztunnel, answered as the original answered.</summary>
[Trait("Category", "Golden")]
public sealed class WireServerTests(WireServerFixture fixture) : IClassFixture<WireServerFixture>
{
    private const string Absent = "(no golden folder)";
    private static readonly SpiffeId s_sleep = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep");

    public static TheoryData<string> Cases()
    {
        var data = new TheoryData<string>();
        if (GoldenFolder.Root is null)
        {
            data.Add(Absent);
            return data;
        }

        foreach (var line in Lines())
        {
            data.Add((string)line["case"]!);
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task Case_OfTheRecording_IsAnsweredAsRecorded(string name)
    {
        GoldenFolder.Require("ztunnel", "wire.server.jsonl");
        var recorded = Lines().Single(line => (string?)line["case"] == name);
        var (failure, events) = await AskAsync(name, recorded["asked"]!.AsArray());
        if (recorded["result"] is JsonValue result)
        {
            Assert.Equal("tls-failed", (string?)result);
            Assert.True(failure is not null, "the TLS handshake should have failed");
            Assert.Contains(AlertOf((string)recorded["error"]!), failure.ToString(), StringComparison.OrdinalIgnoreCase);
            return;
        }

        Assert.True(failure is null, failure?.ToString());

        // SPIFFE allows one URI SAN (X.509-SVID section 2); the original takes the first, we refuse.
        var expected = name == "certificate with two URI SANs"
            ? [new JsonObject { ["event"] = "end" }]
            : recorded["result"]!.AsArray().Select(e => e!.AsObject());
        RecordedEvents.AssertEqual(RecordedEvents.Normalise(expected), RecordedEvents.Normalise(events));
    }

    // What each refused certificate is told in the log, where an operator looks for it.
    [SkippableTheory]
    [InlineData("no certificate", "certificate")]
    [InlineData("self-signed certificate", "tls handshake error")]
    [InlineData("expired certificate", "expired")]
    [InlineData("certificate without URI SAN", "URI")]
    [InlineData("certificate with two URI SANs", "URI")]
    [InlineData("certificate with non-SPIFFE URI", "https://example.com/x")]
    [InlineData("certificate of another trust domain", "other.domain")]
    [InlineData("client-auth only key usage missing", "usage")]
    [InlineData("ALPN http/1.1", "tls handshake error")]
    [InlineData("TLS 1.2", "tls handshake error")]
    public async Task Refusal_AtTheHandshake_IsLoggedWithItsReason(string name, string reason)
    {
        GoldenFolder.Require("ztunnel", "wire.server.jsonl");
        var asked = new JsonArray(new JsonArray(new JsonArray(new JsonArray(":method", "CONNECT"), new JsonArray(":authority", "10.77.0.3:8080")), ""));
        await using var ownLog = await WireZtunnel.StartAsync("127.79.0");
        await AskAsync(name, asked, ownLog, "127.79.0");
        Assert.Contains(reason, await ownLog.LoggedAsync("tls handshake error", "127.79.0.2"), StringComparison.OrdinalIgnoreCase);
    }

    private Task<(Exception? Failure, List<JsonObject> Events)> AskAsync(string name, JsonArray asked) => AskAsync(name, asked, fixture.Ztunnel!, WireServerFixture.Network);

    private static async Task<(Exception? Failure, List<JsonObject> Events)> AskAsync(string name, JsonArray asked, WireZtunnel ztunnel, string network)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse($"{network}.2"), 0));
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse($"{network}.3"), 15008));
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        try
        {
            await tls.AuthenticateAsClientAsync(OptionsOf(name, ztunnel.Authority)).WaitAsync(WireZtunnel.Patience);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            return (e, []);
        }

        await using var peer = new RudePeer(tls, isClient: true) { Patience = WireZtunnel.Patience };
        return (null, await ConverseAsync(peer, asked, network));
    }

    /// <summary>Asks, and listens until every stream has ended.</summary>
    private static async Task<List<JsonObject>> ConverseAsync(RudePeer peer, JsonArray asked, string network)
    {
        var events = new List<JsonObject>();
        var open = Enumerable.Range(0, asked.Count).Select(i => (2 * i) + 1).ToHashSet();
        try
        {
            await peer.SendRawAsync(Http2Constants.ClientPreface.ToArray());
            await peer.SendSettingsAsync((SettingId.EnablePush, 0));
            var id = 1;
            foreach (var request in asked)
            {
                var headers = request![0]!.AsArray().Select(header => ((string)header![0]!, Here((string)header[1]!, network)));
                await peer.SendHeadersAsync(id, false, [.. headers]);
                if (Encoding.UTF8.GetBytes((string)request[1]!) is { Length: > 0 } data)
                {
                    await peer.SendDataAsync(id, data);
                }

                id += 2;
            }
        }
        catch (IOException)
        {
            // Refused while we were still asking; what there is to read says how.
        }

        while (open.Count > 0)
        {
            if (await peer.ReadAsync() is not { } frame)
            {
                events.Add(new JsonObject { ["event"] = "end" });
                return events;
            }

            if (frame.Type == FrameType.Settings && !frame.Header.HasFlag(FrameFlags.Ack))
            {
                await peer.SendAsync(FrameType.Settings, FrameFlags.Ack, 0);
            }

            // An error is answered first and its stream reset then: that reset belongs to the answer.
            var refused = frame.Type == FrameType.Headers && frame.EndStream;
            if (RecordedEvents.Of(frame, peer) is { } e)
            {
                events.Add(e);
            }

            if (frame.Type == FrameType.RstStream || (frame.EndStream && !refused && frame.Type == FrameType.Data))
            {
                open.Remove(frame.StreamId);
            }
        }

        return events;
    }

    private static SslClientAuthenticationOptions OptionsOf(string name, TestAuthority authority)
    {
        var svid = name switch
        {
            "no certificate" => null,
            "self-signed certificate" => authority.IssueSelfSigned(s_sleep),
            "expired certificate" => authority.IssueExpired(s_sleep),
            "certificate without URI SAN" => authority.Issue(s_sleep, new TestCertificate { Uris = [], DnsNames = ["sleep.default"] }),
            "certificate with two URI SANs" => authority.Issue(s_sleep, new TestCertificate { Uris = [s_sleep.ToString(), "spiffe://cluster.local/ns/default/sa/other"] }),
            "certificate with non-SPIFFE URI" => authority.Issue(s_sleep, new TestCertificate { Uris = ["https://example.com/x"] }),
            "certificate of another trust domain" => authority.Issue(s_sleep, new TestCertificate { Uris = ["spiffe://other.domain/ns/default/sa/sleep"] }),
            "client-auth only key usage missing" => authority.Issue(s_sleep, new TestCertificate { ExtendedKeyUsages = [TestCertificate.ServerAuthentication] }),
            _ => authority.Issue(s_sleep),
        };
        return new SslClientAuthenticationOptions
        {
            TargetHost = "",
            EnabledSslProtocols = name == "TLS 1.2" ? SslProtocols.Tls12 : SslProtocols.Tls13,
            ApplicationProtocols = name switch
            {
                "no ALPN" => null,
                "ALPN http/1.1" => [SslApplicationProtocol.Http11],
                _ => [SslApplicationProtocol.Http2],
            },
            ClientCertificateContext = svid is null ? null : SslStreamCertificateContext.Create(svid.Leaf, [.. svid.Intermediates], offline: true),
            CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck },
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
        };
    }

    /// <summary>The alert in a TLS library's sentence: <c>SSLError: [SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version</c>.</summary>
    private static string AlertOf(string error) => error[(error.LastIndexOf("alert ", StringComparison.Ordinal) + "alert ".Length)..];

    private static string Here(string text, string network) => text.Replace("10.77.0.", network + ".", StringComparison.Ordinal);

    private static IEnumerable<JsonNode> Lines() => File.ReadLines(Path.Combine(GoldenFolder.Root!, "ztunnel", "wire.server.jsonl")).Select(line => JsonNode.Parse(line)!);
}
