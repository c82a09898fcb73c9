using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ambient.Node.Admin.Envoy.Json;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing;
using Google.Protobuf;
using SecretMessage = Ambient.Node.Protos.Envoy.Secret;

namespace Ambient.Node.Tests.Diagnostics.Envoy;

/// <summary>What istiod sent is written as protobuf's own JSON has it: the recordings have both forms of some cases.</summary>
public sealed class ProtoJsonTests
{
    public static TheoryData<string> BothForms { get; } =
    [
        "http/filters/xds/waypoint", "http/jwt-claims/xds/waypoint", "http/gateway-listeners/xds/waypoint", "http/gateway-listeners/xds/gateway",
        "xds/multi-network/xds/waypoint", "xds/multi-network/xds/eastwest", "xds/captured-and-not/xds/waypoint",
    ];

    [SkippableTheory]
    [MemberData(nameof(BothForms))]
    public void RecordedResources_AreWrittenAsProtobufDoes(string folder)
    {
        var compared = 0;
        foreach (var file in Directory.EnumerateFiles(GoldenFolder.Require(folder.Split('/')), "*.binpb").Where(file => !file.EndsWith("wds.binpb", StringComparison.Ordinal)))
        {
            var expected = JsonNode.Parse(File.ReadAllText(Path.ChangeExtension(file, ".json")))!["resources"]!.AsArray();
            foreach (var resource in DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(file)).Resources)
            {
                var whole = expected.Single(other => (string?)other!["name"] == resource.Name)!["resource"]!;
                var written = JsonNode.Parse(Write(resource.Resource_.TypeUrl, resource.Resource_.Value))!;
                Assert.True(JsonNode.DeepEquals(Camel(whole), Camel(written)), $"{resource.Name}\n{Camel(whole)}\n---\n{Camel(written)}");
                compared++;
            }
        }

        Assert.True(compared > 3, $"{compared} resources");
    }

    [SkippableFact]
    public void TheTable_HasEverythingThatIstiodWasSeenToSend()
    {
        var written = 0;
        foreach (var file in Directory.EnumerateFiles(GoldenFolder.Require("xds"), "?ds.binpb", SearchOption.AllDirectories).Where(file => !file.EndsWith("wds.binpb", StringComparison.Ordinal)))
        {
            foreach (var resource in DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(file)).Resources)
            {
                var json = Write(resource.Resource_.TypeUrl, resource.Resource_.Value);
                Assert.False(json.Contains("@unknown", StringComparison.Ordinal) || json.Contains("@undecoded", StringComparison.Ordinal), $"{file} {resource.Name}: {json}");
                written++;
            }
        }

        Assert.True(written > 500, $"{written} resources");
    }

    [Fact]
    public void WhatTheTableDoesNotHave_StandsThereAsBytes()
    {
        // Field 999, text "x"; and field 1, a text, as a number.
        var json = JsonNode.Parse(Write(EnvoyTypes.Cluster, ByteString.CopyFrom(0xba, 0x3e, 1, (byte)'x', 0x08, 7)))!;
        Assert.Equal("eA==", (string?)json["@unknown"]!["999"]![0]);
        Assert.Equal("7", (string?)json["@unknown"]!["1"]![0]);
        Assert.Null(json["name"]);

        var other = JsonNode.Parse(Write("type.googleapis.com/envoy.of.tomorrow.Filter", ByteString.CopyFromUtf8("abc")))!;
        Assert.Equal("YWJj", (string?)other["@undecoded"]);
    }

    [Fact]
    public void Keys_AreNeverWritten()
    {
        var secret = new SecretMessage
        {
            Name = "kubernetes://shop",
            TlsCertificate = new() { CertificateChain = new() { InlineString = "chain" }, PrivateKey = new() { InlineString = "hunter2-key" } },
        }.ToByteArray();

        // A kind of secret that the table does not have: generic_secret is field 5 of a secret, password field 3 of a certificate.
        byte[] generic = [.. secret, 0x2a, 7, .. "hunter2"u8];
        byte[] password = [0x12, 9, 0x1a, 7, .. "hunter2"u8];
        byte[] damaged = [0x12, 9, 0xff, 7, .. "hunter2"u8];
        foreach (var bytes in new[] { secret, generic, password, damaged })
        {
            var json = Write(EnvoyTypes.Secret, ByteString.CopyFrom(bytes));
            Assert.DoesNotContain("hunter2", json, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToBase64String("hunter2"u8), json, StringComparison.Ordinal);
            Assert.Contains(Convert.ToBase64String("[redacted]"u8)[..8], json.Replace("[redacted]", Convert.ToBase64String("[redacted]"u8), StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    [SkippableFact]
    public void DamagedResources_GiveJsonAllTheSame()
    {
        var random = new Random(14);
        foreach (var resource in DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(GoldenFolder.Require("http", "filters", "xds", "waypoint", "lds.binpb"))).Resources)
        {
            var whole = resource.Resource_.Value.ToByteArray();
            for (var i = 0; i < 300; i++)
            {
                var damaged = whole[..random.Next(whole.Length)];
                for (var bit = 0; bit < 8 && damaged.Length > 0; bit++)
                {
                    damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                }

                using var _ = JsonDocument.Parse(Write(EnvoyTypes.Listener, ByteString.CopyFrom(damaged)), new JsonDocumentOptions { MaxDepth = 1000 });
            }
        }
    }

    internal static string Write(string url, ByteString message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            ProtoJson.WriteAny(json, url, message.Span);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The other spelling of names that the form has, but for keys of maps, which have neither underscores nor capitals where it matters; and numbers by value.</summary>
    private static JsonNode? Camel(JsonNode? node) => node switch
    {
        JsonObject named => new JsonObject(named.Select(pair => KeyValuePair.Create(Camel(pair.Key), Camel(pair.Value))).OrderBy(pair => pair.Key, StringComparer.Ordinal)),
        JsonArray items => new JsonArray([.. items.Select(Camel)]),
        _ => node?.DeepClone(),
    };

    private static string Camel(string name) => name.Contains('.', StringComparison.Ordinal) || !name.Contains('_', StringComparison.Ordinal)
        ? name
        : string.Concat(name.Split('_').Select((word, at) => at == 0 || word.Length == 0 ? word : char.ToUpperInvariant(word[0]) + word[1..]));
}
