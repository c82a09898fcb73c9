using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>What restricts and is not understood blocks what it restricts, is named, and touches nothing else.</summary>
public sealed class FailClosedTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";

    private readonly EnvoySession _session;
    private readonly MeshStore _store;

    public FailClosedTests() => (_session, _store) = EnvoyKit.Session();

    [Fact]
    public void UnknownFilter_BlocksItsChainAlone_AndIsNamed()
    {
        var lua = new HttpFilter { Name = "my.lua", TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", new StringValue { Value = "x" }) };

        var said = Tell(EnvoyKit.Chain(Web, 80, [lua]));

        Assert.Contains("my.lua", said, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);
    }

    [Fact]
    public void UnknownFieldOfTheChain_BlocksIt()
    {
        var chain = EnvoyKit.Chain(Web, 80);
        var bytes = chain.ToByteArray().Concat(new byte[] { 0xf8, 0x3f, 0x01 }).ToArray();

        Assert.Contains("not known", Tell(FilterChain.Parser.ParseFrom(bytes)), StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void UnknownPrincipal_OfAnAllow_LetsNobodyIn()
    {
        var odd = new Principal { FilterState = new() { Key = "some.other.key", StringMatch = new() { Exact = "x" } } };

        var said = Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", odd, EnvoyKit.AnyRequest))]));

        Assert.Contains("ns[ns]-policy[p]-rule[0]", said, StringComparison.Ordinal);
        Assert.False(_store.Current.IsAllowed(Web, "friend"));
        Assert.True(_store.Current.IsAllowed(Shop, "friend"));
    }

    [Fact]
    public void UnknownPermission_OfADeny_KeepsOutWhomeverTheRestDoesNotExclude()
    {
        var odd = new Permission { Metadata = new() { Filter = "some.other.filter", Path = { new MetadataMatcher.Types.PathSegment { Key = "a" }, new MetadataMatcher.Types.PathSegment { Key = "b" } } } };

        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Deny, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("stranger"), odd))]));

        Assert.False(_store.Current.IsAllowed(Web, "stranger"));
        Assert.True(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void NegatedUnknown_LetsNobodyIn()
    {
        var odd = new Principal { NotId = new Principal { FilterState = new() { Key = "some.other.key", StringMatch = new() { Exact = "x" } } } };

        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", odd, EnvoyKit.AnyRequest))]));

        Assert.False(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void UnknownFieldOfPolicies_LetsNobodyIn()
    {
        var filter = EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest));
        filter.TypedConfig.Value = ByteString.CopyFrom([.. filter.TypedConfig.Value, 0xf8, 0x3f, 0x01]);

        Tell(EnvoyKit.Chain(Web, 80, [filter]));

        Assert.False(_store.Current.IsAllowed(Web, "friend"));
        Assert.True(_store.Current.IsAllowed(Shop, "friend"));
    }

    [Fact]
    public void UnknownAction_LetsNobodyIn()
    {
        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules((RuleSet.Types.Action)7, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest))]));

        Assert.False(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void AllowWithoutRules_LetsNobodyIn()
    {
        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow)]));

        Assert.False(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void RouteWithAnUnknownMatch_AnswersForWhatItMightMean_AndNoLaterOneDoes()
    {
        var odd = EnvoyKit.To(Web, 80, "odd", "/admin", match => match.Headers.Add(new Protos.Envoy.HeaderMatcher { Name = "x-odd" }));

        var said = Tell(EnvoyKit.Chain(Web, 80, [], odd, EnvoyKit.To(Web, 80, "rest")));

        Assert.Contains("x-odd", said, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web, "/admin/x").StatusCode);
        Assert.Equal(RequestRouteKind.Forward, _store.Current.RouteOf(Web, "/other").Kind);
    }

    [Fact]
    public void RouteWithAFilterThatIsNotKnown_IsAnsweredWithAnError()
    {
        var odd = EnvoyKit.To(Web, 80, "odd", "/a");
        odd.TypedPerFilterConfig["envoy.filters.http.ext_proc"] = EnvoyKit.Pack("type.googleapis.com/x.Y", new Empty());

        Tell(EnvoyKit.Chain(Web, 80, [], odd, EnvoyKit.To(Web, 80, "rest")));

        Assert.Equal(503, _store.Current.RouteOf(Web, "/a").StatusCode);
        Assert.Equal(RequestRouteKind.Forward, _store.Current.RouteOf(Web, "/b").Kind);
    }

    [Fact]
    public void RegularExpressionThatCannotBeUsed_AnswersForThePathsThatItMightMean()
    {
        var odd = EnvoyKit.To(Web, 80, "odd", "/", match => match.SafeRegex = new RegexMatcher { Regex = "(?=a)b" });

        Tell(EnvoyKit.Chain(Web, 80, [], odd, EnvoyKit.To(Web, 80, "rest")));

        Assert.Equal(503, _store.Current.RouteOf(Web, "/b").StatusCode);
    }

    [Fact]
    public void SocketThatIsNotKnown_IsNeverTakenForNone()
    {
        var said = _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web", cluster => cluster.TransportSocket = new TransportSocket
        {
            Name = "quic", TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport", new Empty()),
        })).Answer.ErrorDetail.Message;
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80, [], EnvoyKit.To(Web, 80, "all", "/x"), EnvoyKit.To(Web, 80, "rest")))));

        Assert.Contains("QuicUpstreamTransport", said, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void TokenIssuerWithAFieldThatIsNotKnown_FailsAlone()
    {
        var provider = new JwtProvider { Issuer = "https://odd", LocalJwks = new DataSource { InlineString = """{"keys":[{"kty":"oct"}]}""" } };
        var filter = new HttpFilter { Name = "envoy.filters.http.jwt_authn", TypedConfig = new Any { TypeUrl = EnvoyTypes.Tokens } };
        var tokens = new JwtAuthentication
        {
            Providers = { ["origins-0"] = ByteString.CopyFrom([.. provider.ToByteArray(), 0xf8, 0x3f, 0x01]), ["origins-1"] = new JwtProvider { Issuer = "https://good", LocalJwks = provider.LocalJwks }.ToByteString() },
            Rules = { Rule("origins-0", "origins-1") },
            BypassCorsPreflight = true,
        };
        filter.TypedConfig.Value = tokens.ToByteString();

        var said = Tell(EnvoyKit.Chain(Web, 80, [filter]));

        Assert.Contains("https://odd", said, StringComparison.Ordinal);
        var rules = _store.Current.Requests.Places[$"ns/{Web}"].Authentications[0].Rules;
        Assert.Equal("""{"keys":[]}""", rules.Single(rule => rule.Issuer == "https://odd").Jwks);
        Assert.Equal(provider.LocalJwks.InlineString, rules.Single(rule => rule.Issuer == "https://good").Jwks);
    }

    [Fact]
    public void RequirementOfTokensThatIsNotKnown_BlocksTheChain()
    {
        var tokens = new JwtAuthentication
        {
            Providers = { ["origins-0"] = new JwtProvider { Issuer = "https://a", LocalJwks = new DataSource { InlineString = "{}" } }.ToByteString() },
            Rules = { new RequirementRule { Match = new RouteMatch { Prefix = "/api" }, Requires = new JwtRequirement { ProviderName = "origins-0" } } },
        };

        Tell(EnvoyKit.Chain(Web, 80, [new HttpFilter { Name = "jwt", TypedConfig = EnvoyKit.Pack(EnvoyTypes.Tokens, tokens) }]));

        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void ResourceThatCannotBeDecoded_KeepsWhatWasHeld_AndTheRestIsApplied()
    {
        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest))]));
        var broken = EnvoyKit.Services();
        broken.Resource_.Value = ByteString.CopyFrom([0x0a, 0xff]);

        var answer = _session.Tell(EnvoyTypes.Listener, broken);

        Assert.False(answer.IsAccepted);
        Assert.Contains("main_internal", answer.Answer.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.True(_store.Current.IsAllowed(Web, "friend"));
        Assert.False(_store.Current.IsAllowed(Web, "stranger"));
    }

    [Fact]
    public void PoliciesOfOnePort_HoldThereAlone()
    {
        Tell([
            ("10.9.0.1", 80, EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest))])),
            ("10.9.0.1", 81, EnvoyKit.Chain(Web, 81)),
        ]);

        Assert.False(_store.Current.IsAllowed(Web, "stranger", 80));
        Assert.True(_store.Current.IsAllowed(Web, "friend", 80));
        Assert.True(_store.Current.IsAllowed(Web, "stranger", 81));
    }

    [Fact]
    public void Mended_IsServedAgain_AndNothingIsSaidAnyMore()
    {
        Tell(EnvoyKit.Chain(Web, 80, [new HttpFilter { Name = "odd", TypedConfig = EnvoyKit.Pack("type.googleapis.com/x.Y", new Empty()) }]));

        Assert.Equal("", Tell(EnvoyKit.Chain(Web, 80)));
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Web).Kind);
        Assert.Empty(_session.Problems);
    }

    private static RequirementRule Rule(params string[] providers) => new()
    {
        Match = new RouteMatch { Prefix = "/" },
        Requires = new JwtRequirement
        {
            RequiresAny = new JwtRequirementOrList
            {
                Requirements =
                {
                    providers.Select(name => new JwtRequirement { ProviderName = name }),
                    new JwtRequirement { RequiresAll = new JwtRequirementAndList { Requirements = { providers.Select(ValidOrMissing) } } },
                },
            },
        },
    };

    private static JwtRequirement ValidOrMissing(string provider) => new()
    {
        RequiresAny = new JwtRequirementOrList { Requirements = { new JwtRequirement { ProviderName = provider }, new JwtRequirement { AllowMissing = new Empty() } } },
    };

    /// <summary>Tells of a chain for web, beside a plain one for shop; returns what istiod is told.</summary>
    private string Tell(FilterChain web) => Tell([("10.9.0.1", 80, web)]);

    private string Tell((string, int, FilterChain)[] chains)
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Web, 81, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        var answer = _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services([.. chains, ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80))]));
        Assert.True(answer.IsAccepted);
        return answer.Answer.ErrorDetail?.Message ?? "";
    }
}
