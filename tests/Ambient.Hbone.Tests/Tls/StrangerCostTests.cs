using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>What a handshake costs whose certificates lead to nobody.</summary>
public sealed class StrangerCostTests
{
    /// <summary>
    /// Eight self-made authorities with P-521 keys, the topmost of which claims to be our root's: the platform verifies all nine signatures before it
    /// asks us. We verify one, with our root's own key. The same client, so what differs is the server.
    /// </summary>
    [Fact]
    public async Task Server_EightDearAuthorities_CostAFractionOfWhatThePlatformMakesThemCost()
    {
        var authority = new TestAuthority();
        var stranger = StrangerUnder(authority.Roots.Roots[0], authority.Roots);
        var (native, managed) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (var i = 0; i < 80 && (i < 12 || native >= managed * 0.6); i++)
        {
            // By turns, and the best of each: whatever else the machine does. The more of them, the nearer both come to what they cost alone.
            native = Min(native, await RefuseAsync(Engines.Native, authority, stranger));
            managed = Min(managed, await RefuseAsync(Engines.Managed, authority, stranger));
        }

        Assert.True(native < managed * 0.6, $"{native.TotalMilliseconds:0.00} ms, and {managed.TotalMilliseconds:0.00} ms where the platform verifies the chain");
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static async Task<TimeSpan> RefuseAsync(TlsEngine engine, TestAuthority authority, X509Svid stranger)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(listener.LocalEndPoint!);
        var far = await listener.AcceptAsync();
        var client = Side(new SocketChannel(near, HboneIo.Default.NextLoop()), stranger, isServer: false);
        var server = Side(new SocketChannel(far, HboneIo.Default.NextLoop()), authority.Issue("default", "server"), isServer: true);
        var begun = Stopwatch.GetTimestamp();
        var asking = Engines.Native.AuthenticateAsync(client);
        await Assert.ThrowsAnyAsync<Exception>(() => engine.AuthenticateAsync(server).WaitAsync(HbonePair.Patience));
        var took = Stopwatch.GetElapsedTime(begun);
        Assert.Contains("refused", server.Check.Refusal, StringComparison.Ordinal);
        far.Dispose();
        await using (await asking.WaitAsync(HbonePair.Patience))
        {
            return took;
        }
    }

    private static TlsEngine.Side Side(SocketChannel channel, X509Svid svid, bool isServer)
    {
        var limits = new HandshakeLimits(HbonePair.Patience, 16 * 1024, 8);
        return new(channel, svid, isServer, new PeerCheck(svid.Roots, isServer ? PeerRole.Client : PeerRole.Server, SpiffeIdMatcher.Any, null, limits, TimeProvider.System), null, limits);
    }

    private static X509Svid StrangerUnder(X509Certificate2 root, TrustBundle roots)
    {
        var now = DateTimeOffset.UtcNow;
        using var selfMade = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        var (issuer, signer) = (root.SubjectName, X509SignatureGenerator.CreateForECDsa(selfMade));
        var others = new List<X509Certificate2>();
        for (var i = 0; i < 8; i++)
        {
            var key = ECDsa.Create(ECCurve.NamedCurves.nistP521);
            var request = new CertificateRequest($"CN=a{i}", key, HashAlgorithmName.SHA512);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            others.Insert(0, request.Create(issuer, signer, now.AddHours(-1), now.AddHours(1), [1, 2, 3, (byte)i]));
            (issuer, signer) = (request.SubjectName, X509SignatureGenerator.CreateForECDsa(key));
        }

        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var id = SpiffeId.ForServiceAccount("cluster.local", "default", "stranger");
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(id.ToString()));
        var leaf = new CertificateRequest("", own, HashAlgorithmName.SHA256);
        leaf.CertificateExtensions.Add(names.Build());
        using var signed = leaf.Create(issuer, signer, now.AddHours(-1), now.AddHours(1), [4, 5, 6]);
        return new X509Svid(id, signed.CopyWithPrivateKey(own), [.. others], roots);
    }
}
