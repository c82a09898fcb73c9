using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Protos.Spiffe;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;

namespace Ambient.Node.Tests.Authorities;

/// <summary>Answers of a Workload API, bent: an SVID is used whole or left out, and says why.</summary>
public sealed class WorkloadApiFuzzTests
{
    [Fact]
    [Trait("Category", "Fuzz")]
    public void Answers_Damaged_GiveSvidsThatAreWhole_OrSayWhyNot()
    {
        var signer = new TestAuthority().Intermediate();
        var good = new X509SVIDResponse { Svids = { WorkloadApiServer.Of(signer.Issue("default", "sleep")), WorkloadApiServer.Of(signer.Issue("default", "web")) } }.ToByteArray();
        var refused = 0;
        FuzzBudget.Run(1000, random =>
        {
            X509SVIDResponse answer;
            try
            {
                answer = X509SVIDResponse.Parser.ParseFrom(Damage.Of(good, random));
            }
            catch (InvalidProtocolBufferException)
            {
                return;
            }

            var read = WorkloadApiSvids.Read(answer, WorkloadApiSvids.None, DateTimeOffset.UtcNow);

            refused += read.Refused.Length;
            Assert.InRange(answer.Svids.Count(svid => !SpiffeId.TryParse(svid.SpiffeId, out var id) || !read.ById.ContainsKey(id)), 0, read.Refused.Length);
            Assert.All(read.ById, pair => Assert.Equal((pair.Key, true), (pair.Value.Svid.Id, pair.Value.Svid.Leaf.HasPrivateKey)));
            Assert.All(read.Refused, refusal => Assert.DoesNotContain(refusal.Reason, char.IsControl));
        });
        Assert.True(refused > 10);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Address_OfAnyText_IsASocketOrAnAddressWithPort() => FuzzBudget.Run(20_000, random =>
    {
        var text = Damage.Of(random.Next(2) == 0 ? "unix:///run/spire/agent.sock" : "tcp://127.0.0.1:8081", random, "unix:", "//", "\0", "?", "%2F", "[::1]:1");
        if (WorkloadApiAddress.TryParse(text, out var address, out _))
        {
            Assert.True(address.EndPoint is System.Net.Sockets.UnixDomainSocketEndPoint or System.Net.IPEndPoint { Port: > 0 });
        }
    });
}
