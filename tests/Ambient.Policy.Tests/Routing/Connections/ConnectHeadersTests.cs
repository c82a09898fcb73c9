using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using Ambient.Testing.Fuzzing;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Connections;

public sealed class ConnectHeadersTests
{
    private static readonly Workload Productpage = Pod("productpage-v1", "default") with
    {
        WorkloadName = "productpage-v1",
        CanonicalName = "productpage",
        CanonicalRevision = "v1",
        Locality = new Locality("r1", "z1", "s1"),
    };

    // As golden/ztunnel/wire.server.jsonl shows it.
    private const string Recorded =
        "k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=productpage-v1,service.name=productpage,service.version=v1,cloud.region=r1,cloud.availability_zone=z1";

    [Fact]
    [Trait("Reference", "baggage_parser")]
    public void Baggage_OfWorkload_AsRecorded() => Assert.Equal(Recorded, ConnectHeaders.Baggage(Productpage));

    [Fact]
    [Trait("Reference", "baggage_parser_empty_values")]
    public void Baggage_EmptyFields_AreLeftOut() =>
        Assert.Equal("k8s.cluster.name=Kubernetes,k8s.namespace.name=default", ConnectHeaders.Baggage(Pod("x", "default")));

    [Fact]
    public void Baggage_ValueThatWouldBreakTheList_IsLeftOut() =>
        Assert.DoesNotContain("evil", ConnectHeaders.Baggage(Productpage with { CanonicalName = "evil,k8s.namespace.name=other" }), StringComparison.Ordinal);

    [Fact]
    [Trait("Reference", "header_val_can_be_parsed")]
    public void Baggage_ReadBack_SaysTheSame()
    {
        var peer = ConnectHeaders.ParseBaggage(Recorded);

        Assert.Equal(
            new PeerBaggage
            {
                ClusterId = "Kubernetes",
                Namespace = "default",
                WorkloadName = "productpage-v1",
                WorkloadType = WorkloadType.Deployment,
                CanonicalName = "productpage",
                CanonicalRevision = "v1",
                Region = "r1",
                Zone = "z1",
            },
            peer);
    }

    [Theory]
    [Trait("Reference", "baggage_parser_no_header")]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("=,=x,service.name=,nonsense,x=y")]
    public void Baggage_NothingUseful_IsEmpty(string? text) => Assert.Equal(PeerBaggage.Empty, ConnectHeaders.ParseBaggage(text));

    [Fact]
    [Trait("Reference", "build_forwarded")]
    public void Forwarded_ClientAndService()
    {
        Assert.Equal("for=\"127.0.0.1:80\"", ConnectHeaders.Forwarded(To("127.0.0.1:80"), null));
        Assert.Equal("for=\"[::1]:80\"", ConnectHeaders.Forwarded(To("[::1]:80"), null));
        Assert.Equal(
            "for=\"127.0.0.1:80\";host=web.ns.svc.cluster.local",
            ConnectHeaders.Forwarded(To("127.0.0.1:80"), Service("web")));
    }

    [Theory]
    [Trait("Reference", "test_parse_forwarded_host")]
    [InlineData("for=1.2.3.4;host=a.example", "a.example")]
    [InlineData("for=\"1.2.3.4\";host=\"a.example\"", "a.example")]
    [InlineData("for=1.2.3.4", null)]
    [InlineData("host=", null)]
    [InlineData("host=é", null)]
    [InlineData(null, null)]
    public void ForwardedHost_Forms_AsRecorded(string? header, string? expected) => Assert.Equal(expected, ConnectHeaders.ForwardedHost(header));

    [Fact]
    [Trait("Category", "Fuzz")]
    public void ReceivedHeaders_Damaged_SayWhatStandsInThemOrNothing() => FuzzBudget.Run(20_000, random =>
    {
        var baggage = Damage.Of(Recorded, random, ",", "=", " ", ",k8s.pod.name=", "service.name", ";", "%2C");
        var peer = ConnectHeaders.ParseBaggage(baggage);
        foreach (var value in (string?[])[peer.ClusterId, peer.Namespace, peer.WorkloadName, peer.CanonicalName, peer.CanonicalRevision, peer.Region, peer.Zone])
        {
            Assert.True(value is null || (value.Length > 0 && !value.Contains(',', StringComparison.Ordinal) && baggage.Contains(value, StringComparison.Ordinal)), baggage);
        }

        var forwarded = Damage.Of("for=\"10.0.0.1:4000\";host=productpage.default.svc.cluster.local", random, ";host=", ",", "\"", " ", "HOST=");
        var host = ConnectHeaders.ForwardedHost(forwarded);
        Assert.True(host is null || (host.Length > 0 && !host.AsSpan().ContainsAny(';', ',') && forwarded.Contains(host, StringComparison.Ordinal)), forwarded);
    });

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Baggage_OfAnyWorkload_IsReadBackOrLeftOut() => FuzzBudget.Run(5000, random =>
    {
        var workload = Productpage with { CanonicalName = Text(), CanonicalRevision = Text(), WorkloadName = Text() };

        var peer = ConnectHeaders.ParseBaggage(ConnectHeaders.Baggage(workload));

        Assert.True(peer.CanonicalName is null || peer.CanonicalName == workload.CanonicalName);
        Assert.True(peer.CanonicalRevision is null || peer.CanonicalRevision == workload.CanonicalRevision);
        Assert.True(peer.WorkloadName is null || peer.WorkloadName == workload.WorkloadName);
        Assert.Equal(workload.Namespace, peer.Namespace);

        string Text() => Damage.Of("web-v1", random, ",", "=", ";", " ", "k8s.namespace.name=x");
    });

    [Fact]
    public void Baggage_LongValue_IsCutToTheLengthOfAName()
    {
        var peer = ConnectHeaders.ParseBaggage($"service.name={new string('a', 252)}\U0001F980{new string('b', 500)},k8s.namespace.name={new string('n', 254)}");

        Assert.Equal((new string('a', 252), new string('n', 253)), (peer.CanonicalName, peer.Namespace));
    }

    [Fact]
    public void Baggage_PastItsLongest_IsNotRead()
    {
        var filler = string.Concat(Enumerable.Repeat("x=y,", 3000));

        Assert.Equal(PeerBaggage.Empty with { ClusterId = "c" }, ConnectHeaders.ParseBaggage($"k8s.cluster.name=c,{filler}service.name=late"));
        Assert.Equal(PeerBaggage.Empty, ConnectHeaders.ParseBaggage($"service.name={new string('a', 9000)}"));
    }

    [Fact]
    public void ForwardedHost_LongerThanAName_IsNotOne() =>
        Assert.Null(ConnectHeaders.ForwardedHost($"for=\"1.2.3.4:5\";host={new string('h', 300)}"));
}
