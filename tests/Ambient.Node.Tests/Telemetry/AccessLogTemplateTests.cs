using System.Net;
using System.Text;
using System.Text.Json;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Testing;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>Lines of the access log in Envoy's forms, byte for byte (section 7.2 of the reference).</summary>
public sealed class AccessLogTemplateTests
{
    [Fact]
    public void DefaultText_OfAForwardedRequest_IsEnvoysLine() => Assert.Equal(
        "[2026-11-29T04:05:06.789Z] \"GET /reviews/1?a=b HTTP/1.1\" 200 - via_upstream - \"-\" 12 345 7 6 \"10.0.0.1\" \"curl/8.0\" \"5c2e9b1a-0d3f-4a8e-9c55-2b1f0e7d6a34\" "
        + "\"reviews:9080\" \"envoy://connect_originate/10.244.1.5:9080\" inbound-vip|9080|http|reviews.default.svc.cluster.local envoy://internal_client_address/ 10.96.1.2:9080 10.244.2.7:51234 - default",
        Write(new AccessLogFormat(false, null), Entry()));

    [Fact]
    public void DefaultText_OfARequestThatWasNotUnderstood_HasDashes() => Assert.Equal(
        "[2026-11-29T04:05:06.789Z] \"- - HTTP/1.1\" 400 DPE codec_error - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - 10.96.1.2:9080 10.244.2.7:51234 - -",
        Write(new AccessLogFormat(false, null), new AccessLogEntry
        {
            Started = s_started, Code = 400, Flags = "DPE", CodeDetails = "codec_error", LocalAddress = IPEndPoint.Parse("10.96.1.2:9080"), RemoteAddress = IPEndPoint.Parse("10.244.2.7:51234"),
        }));

    [Fact]
    public void DefaultJson_HasTheReferencesKeys_AndKeepsTypes()
    {
        var line = Write(new AccessLogFormat(true, null), Entry());
        using var json = JsonDocument.Parse(line);
        Assert.Equal(
            "start_time, route_name, method, path, protocol, response_code, response_flags, response_code_details, connection_termination_details, bytes_received, bytes_sent, duration, "
            + "upstream_service_time, x_forwarded_for, user_agent, request_id, authority, upstream_host, upstream_cluster, upstream_local_address, downstream_local_address, "
            + "downstream_remote_address, requested_server_name, upstream_transport_failure_reason",
            string.Join(", ", json.RootElement.EnumerateObject().Select(field => field.Name)));
        Assert.Equal(200, json.RootElement.GetProperty("response_code").GetInt32());
        Assert.Equal(345, json.RootElement.GetProperty("bytes_sent").GetInt64());
        Assert.Equal("2026-11-29T04:05:06.789Z", json.RootElement.GetProperty("start_time").GetString());
        Assert.Equal("6", json.RootElement.GetProperty("upstream_service_time").GetString());
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("requested_server_name").ValueKind);
        Assert.DoesNotContain('\n', line);
    }

    [Theory]
    [InlineData("%REQ(:METHOD)% %REQ(X-NONE?USER-AGENT):4%", "GET curl")]
    [InlineData("100%% %RESPONSE_CODE%", "100% 200")]
    [InlineData("%START_TIME(%Y/%m/%d %H-%M-%S.%3f %Z)%", "2026/11/29 04-05-06.789 UTC")]
    [InlineData("%DYNAMIC_METADATA(istio.a:b)%|%FILTER_STATE(x)%|%CONNECTION_TERMINATION_DETAILS%", "-|-|-")]
    [InlineData("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT%", "10.244.2.7 51234 9080")]
    [InlineData("%RESP(x-more)%\nend\n", "- end")]
    [InlineData("", "")]
    public void Text_OfOnesOwn_IsCompiled(string format, string line) => Assert.Equal(line, Write(new AccessLogFormat(false, format), Entry()));

    [Fact]
    public void Json_OfOnesOwn_IsCompiled() => Assert.Equal(
        "{\"who\":\"10.244.2.7:51234\",\"what\":\"GET /reviews/1?a=b\",\"code\":200,\"none\":null}",
        Write(new AccessLogFormat(true, """{"who": "%DOWNSTREAM_REMOTE_ADDRESS%", "what": "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "code": "%RESPONSE_CODE%", "none": "%REQ(none)%"}"""), Entry()));

    [Theory]
    [InlineData(false, "%RESPONSE_KODE%", "%RESPONSE_KODE% is not an operator")]
    [InlineData(false, "a %REQ(:METHOD) b", "does not end")]
    [InlineData(false, "%REQ%", "expected the name of a header")]
    [InlineData(false, "%REQ(a b)%", "expected the name of a header")]
    [InlineData(false, "%REQ(a):x%", "expected :LENGTH")]
    [InlineData(false, "%START_TIME(%Q)%", "%Q is not supported")]
    [InlineData(true, "text", "not JSON")]
    [InlineData(true, "[\"a\"]", "expected a JSON object")]
    [InlineData(true, "[]", "expected a JSON object")]
    public void Format_ThatIsNone_IsAnErrorThatSaysWhy(bool json, string format, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => AccessLogTemplate.Of(new AccessLogFormat(json, format))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Value_CannotEndALineOrAText_AndIsBounded(bool json)
    {
        var entry = Entry();
        entry.Request!.Fields.Set("user-agent", "x\" \"forged\\ " + new string('y', 9000));
        entry.Request.Fields.Add("x-request-id-2"u8, "\u00e9\u0085 \u2028"u8);
        var line = Write(new AccessLogFormat(json, json ? """{"a": "%REQ(USER-AGENT)%", "b": "%REQ(X-REQUEST-ID-2)%"}""" : "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID-2)%\""), entry);
        Assert.DoesNotContain(line, c => c is '\n' or '\r' or '\u0085' or '\u2028');
        Assert.Contains("x\\\" \\\"forged\\\\ y", line, StringComparison.Ordinal);
        Assert.InRange(line.Length, AccessLogTemplate.MaxValue, AccessLogTemplate.MaxValue + 200);
        if (json)
        {
            using var document = JsonDocument.Parse(line);
            Assert.Equal(AccessLogTemplate.MaxValue, document.RootElement.GetProperty("a").GetString()!.Length);
        }
    }

    [Fact]
    public void Text_IsWrittenWithoutAllocation()
    {
        var (template, entry, text) = (AccessLogTemplate.Text, Entry(), new Utf8TextBuilder());
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                text.Rewind();
                template.Write(text, entry);
            }
        }));
    }

    private static readonly DateTimeOffset s_started = new(2026, 11, 29, 4, 5, 6, 789, TimeSpan.Zero);

    internal static AccessLogEntry Entry()
    {
        var request = new RequestHead { Method = "GET", Authority = "reviews:9080", Target = "/v1/reviews/1?a=b", Scheme = "http" };
        request.Fields.Add("x-forwarded-for", "10.0.0.1");
        request.Fields.Add("user-agent", "curl/8.0");
        request.Fields.Add("x-request-id", "5c2e9b1a-0d3f-4a8e-9c55-2b1f0e7d6a34");
        var response = new ResponseHead { Status = 200 };
        response.Fields.Add("x-envoy-upstream-service-time", "6");
        return new AccessLogEntry
        {
            Started = s_started,
            Duration = TimeSpan.FromMilliseconds(7.9),
            Request = request,
            Response = response,
            OriginalTarget = "/reviews/1?a=b",
            Code = 200,
            Flags = "-",
            CodeDetails = "via_upstream",
            BytesReceived = 12,
            BytesSent = 345,
            UpstreamHost = IPEndPoint.Parse("10.244.1.5:9080"),
            IsTunnelled = true,
            Cluster = new ClusterName(true, 9080, null, "reviews.default.svc.cluster.local"),
            LocalAddress = IPEndPoint.Parse("10.96.1.2:9080"),
            RemoteAddress = IPEndPoint.Parse("10.244.2.7:51234"),
            RouteName = "default",
        };
    }

    private static string Write(AccessLogFormat format, in AccessLogEntry entry)
    {
        var text = new Utf8TextBuilder();
        AccessLogTemplate.Of(format).Write(text, entry);
        return Encoding.UTF8.GetString(text.Written);
    }
}
