using System.Text.Json;
using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Node.Tests.Gateway;
using Ambient.Testing;
using Ambient.Testing.Certificates;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Diagnostics.Envoy;

/// <summary>Envoy's admin endpoint as istioctl reads it: told what an Envoy was told, the same rows come out.</summary>
public sealed class EnvoyAdminTests
{
    private static string Table(string kind) => File.ReadAllText(GoldenFolder.Require("envoy-admin", $"istioctl-{kind}.txt"));

    [SkippableFact]
    public async Task ProxyConfig_PrintsTheSameRows()
    {
        await using var admin = EnvoyAdmin.Recorded();
        var dump = await admin.JsonAsync("/config_dump?include_eds");

        Assert.Equal(IstioctlReader.Printed(Table("cluster")), IstioctlReader.Clusters(dump));
        Assert.Equal(IstioctlReader.Printed(Table("listener")), IstioctlReader.Listeners(dump));
        Assert.Equal(IstioctlReader.Printed(Table("route")), IstioctlReader.Routes(dump));

        // Over the network it asks for a part of it.
        Assert.Equal(IstioctlReader.Printed(Table("cluster")), IstioctlReader.Clusters(await admin.JsonAsync("/config_dump?mask=dynamic_active_clusters,dynamic_warming_clusters,static_clusters")));
        Assert.Equal(IstioctlReader.Printed(Table("listener")), IstioctlReader.Listeners(await admin.JsonAsync("/config_dump?mask=dynamic_listeners,static_listeners")));
        Assert.Equal(IstioctlReader.Printed(Table("route")), IstioctlReader.Routes(await admin.JsonAsync("/config_dump?mask=dynamic_route_configs,static_route_configs")));
        Assert.Equal(IstioctlReader.Endpoints(EnvoyAdmin.Golden("clusters.json").RootElement).Where(IsMesh), IstioctlReader.Endpoints(await admin.JsonAsync("/clusters?format=json")).Where(IsMesh));

        static bool IsMesh(string row) => !row.Contains("|xds-grpc", StringComparison.Ordinal) && !row.Contains("|sds-grpc", StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Dump_HoldsWhatWasReceived()
    {
        await using var admin = EnvoyAdmin.Recorded();
        using var golden = EnvoyAdmin.Golden("config_dump.json");
        var dump = await admin.JsonAsync("/config_dump?include_eds");
        foreach (var (section, field, resource) in new[] { ("ClustersConfigDump", "dynamic_active_clusters", "cluster"), ("ListenersConfigDump", "dynamic_listeners", "active_state") })
        {
            var (mine, theirs) = (Of(dump), Of(golden.RootElement));
            Assert.Equal(theirs.Keys.Order(StringComparer.Ordinal), mine.Keys.Order(StringComparer.Ordinal));
            foreach (var (name, text) in theirs)
            {
                Assert.Equal(text, mine[name]);
            }

            Dictionary<string, string> Of(JsonElement of) => IstioctlReader.Entries(of, section, field).Select(entry => entry.GetProperty(resource)).Select(entry => resource == "cluster" ? entry : entry.GetProperty("listener"))
                .ToDictionary(item => item.GetProperty("name").GetString()!, Canonical);
        }

        // The order of properties says nothing.
        static string Canonical(JsonElement item) => item.ValueKind switch
        {
            JsonValueKind.Object => "{" + string.Join(',', item.EnumerateObject().OrderBy(property => property.Name, StringComparer.Ordinal).Select(property => $"{property.Name}:{Canonical(property.Value)}")) + "}",
            JsonValueKind.Array => "[" + string.Join(',', item.EnumerateArray().Select(Canonical)) + "]",
            _ => item.GetRawText(),
        };
    }

    [SkippableFact]
    public async Task Resource_IsOneField_AndNamesSelect()
    {
        await using var admin = EnvoyAdmin.Recorded();
        var one = await admin.JsonAsync("/config_dump?resource=dynamic_active_clusters&name_regex=.*%5B%7C%5D80%5B%7C%5D.*");
        var cluster = Assert.Single(one.GetProperty("configs").EnumerateArray());
        Assert.Equal("type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster", cluster.GetProperty("@type").GetString());
        Assert.Equal("inbound-vip|80|http|server.ns1.svc.cluster.local", cluster.GetProperty("cluster").GetProperty("name").GetString());

        Assert.Equal(404, (await admin.AskAsync("/config_dump?resource=nonsense")).Status);
        Assert.Equal(400, (await admin.AskAsync("/config_dump?resource=bootstrap")).Status);
        Assert.Equal(400, (await admin.AskAsync("/config_dump?name_regex=(")).Status);
        Assert.DoesNotContain("EndpointsConfigDump", (await admin.AskAsync("/config_dump")).Body, StringComparison.Ordinal);
        Assert.Contains("waypoint~198.18.129.10~", (await admin.AskAsync("/config_dump?mask=bootstrap")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Extensions_AreThere_WhereSomeHaveCome()
    {
        await using var admin = new EnvoyAdmin();
        Assert.DoesNotContain("EcdsConfigDump", (await admin.AskAsync("/config_dump")).Body, StringComparison.Ordinal);
        admin.Session.Tell(EnvoyTypes.Extension, XdsKit.Of("ns.x", EnvoyTypes.Extension, new Protos.Envoy.Extension { Name = "ns.x", TypedConfig = EnvoyKit.Pack(EnvoyTypes.HttpWasm, new Protos.Envoy.Wasm()) }));

        var filter = Assert.Single((await admin.JsonAsync("/config_dump?resource=ecds_filters")).GetProperty("configs").EnumerateArray());

        Assert.Equal("type.googleapis.com/envoy.admin.v3.EcdsConfigDump.EcdsFilterConfig", filter.GetProperty("@type").GetString());
        Assert.Equal("ns.x", filter.GetProperty("ecds_filter").GetProperty("name").GetString());
        Assert.Contains("its code is not run here", filter.GetProperty("error_state").GetProperty("details").GetString(), StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Listeners_HaveTheirAddresses()
    {
        await using var admin = EnvoyAdmin.Recorded();
        Assert.Equal(Rows(EnvoyAdmin.Golden("listeners.json").RootElement), Rows(await admin.JsonAsync("/listeners?format=json")));
        Assert.Contains("connect_terminate::0.0.0.0:15008\n", (await admin.AskAsync("/listeners")).Body, StringComparison.Ordinal);
        Assert.Contains("inbound-vip|80|http|server.ns1.svc.cluster.local::envoy://connect_originate/198.18.129.8:8080::health_flags::healthy\n", (await admin.AskAsync("/clusters")).Body, StringComparison.Ordinal);

        static IEnumerable<string> Rows(JsonElement listeners) => listeners.GetProperty("listener_statuses").EnumerateArray()
            .Select(status => JsonSerializer.Serialize(status)).Order(StringComparer.Ordinal);
    }

    [Fact]
    public async Task WhatIsNotUnderstood_IsInItsResource_AndARefusedOneLeavesTheOldOne()
    {
        await using var admin = new EnvoyAdmin();
        const string Web = "web.ns.svc.cluster.local";
        admin.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        var before = await Cluster();
        Assert.Equal("ACKED", before.GetProperty("client_status").GetString());
        Assert.False(before.TryGetProperty("error_state", out _));

        admin.Session.Tell(EnvoyTypes.Cluster, new Resource { Name = EnvoyKit.Own(Web, 80), Resource_ = new Any { TypeUrl = EnvoyTypes.Cluster, Value = ByteString.CopyFrom(0x0a, 0xff) } });

        var after = await Cluster();
        Assert.Equal("NACKED", after.GetProperty("client_status").GetString());
        Assert.Contains("refused", after.GetProperty("error_state").GetProperty("details").GetString(), StringComparison.Ordinal);
        Assert.Equal(before.GetProperty("cluster").GetRawText(), after.GetProperty("cluster").GetRawText());
        Assert.Contains("cluster_manager.cds.update_rejected: 1\n", (await admin.AskAsync("/stats?filter=cds")).Body, StringComparison.Ordinal);
        Assert.DoesNotContain("server.live", (await admin.AskAsync("/stats?filter=cds")).Body, StringComparison.Ordinal);

        admin.Session.Take(EnvoyTypes.Cluster, EnvoyKit.Own(Web, 80));
        Assert.Empty(IstioctlReader.Entries(await admin.JsonAsync("/config_dump"), "ClustersConfigDump", "dynamic_active_clusters"));

        async Task<JsonElement> Cluster() => IstioctlReader.Entries(await admin.JsonAsync("/config_dump"), "ClustersConfigDump", "dynamic_active_clusters").Single();
    }

    [Fact]
    public async Task Certificates_AreShownWithoutTheirKeys()
    {
        var authority = new TestAuthority();
        var svids = new SvidCache(authority);
        var svid = await svids.GetSvidAsync(SpiffeId.ForServiceAccount("cluster.local", "ns1", "waypoint"));
        await using var admin = new EnvoyAdmin(svids);
        var serial = svid.Leaf.SerialNumber.TrimStart('0').ToLowerInvariant();
        var root = authority.Certificate.SerialNumber.TrimStart('0').ToLowerInvariant();

        var dump = await admin.JsonAsync("/config_dump?mask=dynamic_active_secrets,dynamic_warming_secrets");
        Assert.Equal(new[] { $"ROOTCA|CA|{root}", $"default|Cert Chain|{serial}" }, IstioctlReader.Secrets(dump));
        var secret = IstioctlReader.Entries(dump, "SecretsConfigDump", "dynamic_active_secrets").First().GetProperty("secret");
        Assert.Equal("[redacted]", System.Text.Encoding.ASCII.GetString(secret.GetProperty("tls_certificate").GetProperty("private_key").GetProperty("inline_bytes").GetBytesFromBase64()));

        var certificate = Assert.Single((await admin.JsonAsync("/certs")).GetProperty("certificates").EnumerateArray());
        Assert.Equal(serial, certificate.GetProperty("cert_chain")[0].GetProperty("serial_number").GetString());
        Assert.Equal("spiffe://cluster.local/ns/ns1/sa/waypoint", certificate.GetProperty("cert_chain")[0].GetProperty("subject_alt_names")[0].GetProperty("uri").GetString());
        Assert.Equal(root, certificate.GetProperty("ca_cert")[0].GetProperty("serial_number").GetString());
    }

    [Fact]
    public async Task SecretsOfIstiod_AreKeptWithoutTheirKeys_AndThoseThatHaveNotComeAreWarming()
    {
        await using var admin = new EnvoyAdmin();
        using var authority = TestCertificates.Authority("root");
        using var certificate = TestCertificates.Leaf(authority, "shop", ["shop.example"]);
        var (pem, key) = (certificate.ExportCertificatePem(), TestCertificates.KeyOf(certificate));
        admin.Received.Watch(EnvoyTypes.Secret, new HashSet<string> { "kubernetes://shop", "kubernetes://late" });
        admin.Session.Tell(EnvoyTypes.Secret, XdsKit.Of("kubernetes://shop", EnvoyTypes.Secret, new Protos.Envoy.Secret
        {
            Name = "kubernetes://shop",
            TlsCertificate = new() { CertificateChain = new() { InlineBytes = ByteString.CopyFromUtf8(pem) }, PrivateKey = new() { InlineBytes = ByteString.CopyFromUtf8(key) } },
        }, ""));

        Assert.Equal(-1, admin.Received.Of(EnvoyTypes.Secret).Resources.Single().Bytes.Span.IndexOf("PRIVATE KEY"u8));
        var dump = await admin.JsonAsync("/config_dump?mask=dynamic_active_secrets,dynamic_warming_secrets");
        Assert.Equal("kubernetes://late", IstioctlReader.Entries(dump, "SecretsConfigDump", "dynamic_warming_secrets").Single().GetProperty("name").GetString());
        Assert.StartsWith("kubernetes://shop|Cert Chain|", Assert.Single(IstioctlReader.Secrets(dump)), StringComparison.Ordinal);
        Assert.NotEmpty((await admin.JsonAsync("/certs")).GetProperty("certificates")[0].GetProperty("cert_chain").EnumerateArray());
    }

    [Fact]
    public async Task State_IsEnvoys()
    {
        await using var admin = new EnvoyAdmin { Ready = false };
        Assert.Equal((503, "PRE_INITIALIZING\n"), await admin.AskAsync("/ready"));
        admin.Session.Tell(EnvoyTypes.Cluster);
        Assert.Equal((503, "INITIALIZING\n"), await admin.AskAsync("/ready"));
        admin.Ready = true;
        Assert.Equal((200, "LIVE\n"), await admin.AskAsync("/ready"));
        var info = await admin.JsonAsync("/server_info");
        Assert.Equal("LIVE", info.GetProperty("state").GetString());
        Assert.Equal("waypoint.ns1", info.GetProperty("node").GetProperty("cluster").GetString());
        Assert.Matches("^[0-9]+s$", info.GetProperty("uptime_current_epoch").GetString());
        Assert.True(long.Parse((await admin.JsonAsync("/memory")).GetProperty("allocated").GetString()!, System.Globalization.CultureInfo.InvariantCulture) > 0);
        admin.Draining = true;
        Assert.Equal((503, "DRAINING\n"), await admin.AskAsync("/ready"));
    }

    [Fact]
    public async Task Levels_AreChangedAsIstioctlAsks()
    {
        await using var admin = new EnvoyAdmin();
        admin.Loggers.CreateLogger("access");
        admin.Loggers.CreateLogger("waypoint");
        Assert.Equal((200, "active loggers:\n  access: info\n  waypoint: info\n\n"), await admin.AskAsync("/logging", "POST"));
        Assert.Equal((200, "active loggers:\n  access: debug\n  waypoint: info\n\n"), await admin.AskAsync("/logging?access=debug", "POST"));
        Assert.Equal((200, "active loggers:\n  access: warning\n  waypoint: warning\n\n"), await admin.AskAsync("/logging?level=warning", "POST"));
        Assert.Equal((200, "active loggers:\n  access: warning\n  waypoint: trace\n\n"), await admin.AskAsync("/logging?paths=waypoint:trace", "POST"));
        Assert.Equal(400, (await admin.AskAsync("/logging?rbac=debug", "POST")).Status);
        Assert.Equal(400, (await admin.AskAsync("/logging?access=loud", "POST")).Status);
        Assert.Equal(405, (await admin.AskAsync("/logging?level=trace")).Status);
        Assert.Contains("access: info", (await admin.AskAsync("/logging?reset", "POST")).Body, StringComparison.Ordinal);
    }
}
