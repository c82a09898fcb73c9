using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Tests.Gateway;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>Says questions to hosts: to a waypoint by a tunnel, as a ztunnel does for its workload, to a gateway by a connection.</summary>
internal sealed class CaseClient(CaseBackends backends) : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly Lazy<X509Certificate2> s_stranger = new(() => TestCertificates.Leaf(TestCertificates.Authority("stranger"), "stranger", ["a.example"]));

    private readonly HboneClient _tunnels = new(new HboneClientOptions(), backends.Svids);

    /// <summary>Has the addresses of services that a host is not told of.</summary>
    public MeshSnapshot? All { get; set; }

    public ValueTask DisposeAsync() => _tunnels.DisposeAsync();

    /// <summary>Says a question once.</summary>
    /// <param name="host">To whom.</param>
    /// <param name="question">What.</param>
    /// <param name="asked">Names this try, also to whoever it reaches.</param>
    /// <param name="number">Number of the try.</param>
    public async Task<CaseAnswer> AskAsync(CaseHost host, Question question, string asked, int number)
    {
        try
        {
            return host.Self is { } self ? await AskAsync(host.Store.Current, self, question, asked, number).WaitAsync(s_patience) : new CaseAnswer(0, "nobody listens", []);
        }
        catch (TimeoutException)
        {
            return new CaseAnswer(0, "no answer in time", []);
        }
    }

    private async Task<CaseAnswer> AskAsync(MeshSnapshot mesh, Workload self, Question question, string asked, int number)
    {
        try
        {
            await using var stream = await OpenAsync(mesh, self, question);
            using var patience = new CancellationTokenSource(s_patience);
            return question.Speech switch
            {
                Speech.Http1 => await AskHttp1Async(stream, question, asked, number),
                Speech.Bytes => await SayAsync(stream, question, patience.Token),
                _ => await AskHttp2Async(stream, question, asked, number, patience.Token),
            };
        }
        catch (HboneException e) when (e.StatusCode is { } status)
        {
            return new CaseAnswer(0, $"the tunnel is answered {status}", []);
        }
        catch (Exception e) when (e is IOException or SocketException or AuthenticationException or MessageException)
        {
            return new CaseAnswer(0, "", []);
        }
    }

    private static IEnumerable<(string Name, string Value)> FieldsOf(Question question, string asked, int number) => question.Fields
        .Select(field => field.Name == question.Varied ? (field.Name, $"{field.Value}{number}") : field)
        .Append((CaseBackends.AskedBy, asked));

    private static string HostOf(Question question) => question.Host ?? $"{question.To[(question.To.IndexOf('/') + 1)..]}:{question.Port}";

    private static async Task<CaseAnswer> AskHttp1Async(Stream stream, Question question, string asked, int number)
    {
        var text = new StringBuilder($"{question.Method} {question.Said} HTTP/1.1\nhost: {HostOf(question)}\n");
        foreach (var (name, value) in FieldsOf(question, asked, number))
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}: {value}\n");
        }

        if (question.Content.Length > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"content-length: {question.Content.Length}\n");
        }

        var answer = await RawExchange.AskAsync(stream, text.Append('\n').Append(question.Content).ToString());
        if (!answer.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            return new CaseAnswer(0, "", []);
        }

        var read = GoldenAnswer.Parse(Encoding.Latin1.GetBytes(answer));
        return new CaseAnswer(read.Status, read.Body, [.. read.Headers]);
    }

    private static async Task<CaseAnswer> AskHttp2Async(Stream stream, Question question, string asked, int number, CancellationToken patience)
    {
        await using var connection = MessageClient.Open(MessageChannel.Over(stream), HttpProtocolVersion.Http2, new MessageClientOptions(), TimeProvider.System);
        ClientExchange? exchange;
        while (!connection.TryBegin(out exchange))
        {
            await Task.Delay(1, patience);
        }

        await using var _ = exchange;
        var isCall = question.Speech == Speech.Grpc;
        var hasBody = isCall || question.Content.Length > 0;
        var head = new RequestHead
        {
            Version = HttpProtocolVersion.Http2, Method = question.Method, Scheme = question.ServerName is null ? "http" : "https", Authority = HostOf(question), Target = question.Said, HasBody = hasBody, TakesTrailers = isCall,
        };
        foreach (var (name, value) in FieldsOf(question, asked, number).Concat(isCall ? [("content-type", "application/grpc")] : []))
        {
            head.Fields.Add(name, value);
        }

        await exchange.SendHeadAsync(head, end: !hasBody, patience);
        if (hasBody)
        {
            await exchange.WriteAsync(isCall ? new byte[5] : Encoding.Latin1.GetBytes(question.Content), patience);
            await exchange.EndAsync(null, patience);
        }

        var answer = await exchange.ReceiveHeadAsync(patience);
        var body = new StringBuilder();
        while (answer.HasBody && await exchange.ReadAsync(patience) is { Length: > 0 } piece)
        {
            body.Append(Encoding.Latin1.GetString(piece.Span));
        }

        (string Name, string Value)[] fields = [.. Fields(answer.Fields), .. Fields(exchange.Trailers)];

        // Of a call the status that counts is gRPC's, 0 being the good one.
        var status = isCall && answer.Status == 200 && fields.FirstOrDefault(field => field.Name == "grpc-status").Value is { } code
            ? code == "0" ? 200 : int.Parse(code, CultureInfo.InvariantCulture)
            : answer.Status;
        return new CaseAnswer(status, isCall ? "" : body.ToString(), fields);
    }

    private static IEnumerable<(string Name, string Value)> Fields(HttpFields fields)
    {
        for (var i = 0; i < fields.Count; i++)
        {
            yield return (fields[i].NameText, fields[i].ValueText);
        }
    }

    /// <summary>Says bytes, and reads as many as come back of them, or what a server says first.</summary>
    private static async Task<CaseAnswer> SayAsync(Stream stream, Question question, CancellationToken patience)
    {
        var wanted = question.Said.Length > 0 ? question.Said.Length : CaseConnection.Greeting.Length;
        await stream.WriteAsync(Encoding.Latin1.GetBytes(question.Said), patience);
        await stream.FlushAsync(patience);
        var buffer = new byte[wanted];
        var count = await stream.ReadAtLeastAsync(buffer, wanted, throwOnEndOfStream: false, patience);
        return new CaseAnswer(count == wanted ? 200 : 0, Encoding.Latin1.GetString(buffer, 0, count), []);
    }

    private async Task<Stream> OpenAsync(MeshSnapshot mesh, Workload host, Question question)
    {
        var stream = question.AtGateway ? await ConnectAsync(host, question) : await TunnelAsync(mesh, host, question);
        if (question.ServerName is not { } serverName)
        {
            return stream;
        }

        var tls = new SslStream(stream);
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = serverName,
#pragma warning disable CA5359 // Which certificate it is the test compares; whether it is trusted is not its question.
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                ApplicationProtocols = question.Speech is Speech.Http2 or Speech.Grpc ? [SslApplicationProtocol.Http2] : null,
                ClientCertificates = await ProofAsync(question) is { } proof ? [proof] : [],
                LocalCertificateSelectionCallback = (_, _, own, _, _) => own.Count > 0 ? own[0] : null!,
            }).WaitAsync(s_patience);
            return tls;
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    private async Task<X509Certificate2?> ProofAsync(Question question) => question.Proof switch
    {
        ClientProof.Certificate => CaseCertificates.Recorded,
        ClientProof.Stranger => s_stranger.Value,
        ClientProof.Svid => (await backends.Svids.GetSvidAsync(IdentityOf(question.Caller), CancellationToken.None)).Leaf,
        _ => null,
    };

    private static async Task<Stream> ConnectAsync(Workload host, Question question)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (question.Source is { } source)
            {
                socket.Bind(new IPEndPoint(IPAddress.Parse(source), 0));
            }

            await socket.ConnectAsync(host.Addresses[0], question.Port + CaseHost.PortOffset);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<Stream> TunnelAsync(MeshSnapshot mesh, Workload host, Question question)
    {
        var tunnel = await _tunnels.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(host.Addresses[0], 15008),
            Authority = AddressOf(mesh, All!, question.To) is { } address ? new IPEndPoint(address, question.Port).ToString() : $"{question.To.Replace("*.", "x.", StringComparison.Ordinal)}:{question.Port}",
            Source = IdentityOf(question.Caller),
            AcceptedIdentities = [host.Identity],
            SourceAddress = question.Source is { } source ? IPAddress.Parse(source) : null,
        });
        return tunnel.AsStream();
    }

    private static SpiffeId IdentityOf(string caller) => caller.Split('/') switch
    {
        [var account] => SpiffeId.ForServiceAccount("cluster.local", "app", account),
        [var ns, var account] => SpiffeId.ForServiceAccount("cluster.local", ns, account),
        _ => SpiffeId.Parse($"spiffe://{caller}"),
    };

    /// <summary>The address that is called; null: it is known by its name alone.</summary>
    private static IPAddress? AddressOf(MeshSnapshot mesh, MeshSnapshot all, string to)
    {
        if (IPAddress.TryParse(to, out var address))
        {
            return address;
        }

        var parts = to.Split('/');
        var (ns, name) = parts.Length == 1 ? ("app", parts[0]) : (parts[0], parts[1]);
        return new[] { mesh, all }.SelectMany(each => each.Services.Values).FirstOrDefault(service => service.Namespace == ns && (service.Name == name || service.Hostname == name) && !service.Vips.IsEmpty)?.Vips[0].Address;
    }
}

/// <summary>An answer; status 0: there was none.</summary>
internal sealed record CaseAnswer(int Status, string Text, (string Name, string Value)[] Fields);
