using System.Buffers;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Discovery.Xds;

public sealed class WireFieldsTests
{
    [Fact]
    public void Fields_OfEveryKind_AreReadOrSkipped()
    {
        // 1: varint 300, 2: "ab", 3: eight bytes, 4: four bytes, 5: empty.
        var fields = new WireFields([0x08, 0xac, 0x02, 0x12, 2, (byte)'a', (byte)'b', 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x2a, 0]);
        var seen = new List<string>();
        while (fields.MoveNext())
        {
            seen.Add(fields.Number is 2 or 5 ? $"{fields.Number}={fields.Text}" : $"{fields.Number}");
        }

        Assert.Equal(["1", "2=ab", "3", "4", "5="], seen);
    }

    [Theory]
    [InlineData(new byte[] { 0x12 })]
    [InlineData(new byte[] { 0x12, 5, 1 })]
    [InlineData(new byte[] { 0x12, 0xff, 0xff, 0xff, 0xff, 0xff })]
    [InlineData(new byte[] { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 })]
    [InlineData(new byte[] { 0x00 })]
    [InlineData(new byte[] { 0x0b })]
    [InlineData(new byte[] { 0x09, 1, 2 })]
    [InlineData(new byte[] { 0x0d, 1 })]
    public void WhatIsNoField_IsRefused(byte[] message) => Assert.Throws<InvalidDataException>(() =>
    {
        var fields = new WireFields(message);
        while (fields.MoveNext())
        {
        }
    });

    [Fact]
    public void NumberWhereATextShouldBe_IsRefused() =>
        Assert.Contains("field 4", Assert.Throws<InvalidDataException>(() => Parse([0x20, 1])).Message, StringComparison.Ordinal);

    /// <summary>What both readers take, they take for the same.</summary>
    [Fact]
    [Trait("Category", "Fuzz")]
    public void Responses_Damaged_AreReadAsGoogleReadsThem()
    {
        var good = new DeltaDiscoveryResponse
        {
            TypeUrl = XdsTypes.Address, Nonce = "n-1", SystemVersionInfo = "v", RemovedResources = { "ns/gone", "uid" },
            Resources =
            {
                XdsKit.Workload("a"), XdsKit.Workload("b"),
                new Resource { Name = "x", Version = "7", Resource_ = new Any { TypeUrl = "type.googleapis.com/other", Value = ByteString.CopyFromUtf8("abc") } },
            },
        }.ToByteArray();
        var alike = 0;
        FuzzBudget.Run(10_000, random =>
        {
            var bytes = Damage.Of(good, random);
            DeltaDiscoveryResponse theirs;
            XdsResponse ours;
            try
            {
                ours = Parse(bytes);
                theirs = DeltaDiscoveryResponse.Parser.ParseFrom(bytes);
            }
            catch (Exception e) when (e is InvalidDataException or InvalidProtocolBufferException)
            {
                return;
            }

            // A second value for one field is merged by the one and replaces by the other; a control plane sends none.
            if (ours.TypeUrl == theirs.TypeUrl && ours.Taken.Count + ours.Refused.Count == theirs.Resources.Count)
            {
                alike++;
                Assert.Equal(theirs.Nonce, ours.Nonce);
                Assert.Equal(theirs.RemovedResources, ours.Removed);
            }
        });
        Assert.True(alike > 10 || Environment.GetEnvironmentVariable(FuzzBudget.SeedVariable) is not null, $"only {alike} were read by both");
    }

    private static XdsResponse Parse(byte[] bytes) => XdsResponse.Parse(new ReadOnlySequence<byte>(bytes), new AddressReader(new StringPool()));
}
