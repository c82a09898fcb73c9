using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Gateway;

/// <summary>
/// The gateway <c>app/gw</c> as it is run from a folder of manifests, with backends that say who they are: everything between file and answer is real.
/// </summary>
internal sealed class ManifestGateway : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _backends = [];
    private readonly StringBuilder _pods = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-edge-").FullName;

    public ManifestGateway() => Address = Mesh.NewAddress();

    public TestMesh Mesh { get; } = new();

    /// <summary>What backends have seen and answered.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<string> Seen { get; } = new();

    /// <summary>Signs what the gateway and its backends show.</summary>
    public X509Certificate2 Authority { get; } = TestCertificates.Authority("root");

    /// <summary>Signs nothing that anybody should take.</summary>
    public X509Certificate2 Stranger { get; } = TestCertificates.Authority("stranger");

    /// <summary>Address of the gateway.</summary>
    public IPAddress Address { get; }

    /// <summary>The annotation that gives the gateway its address.</summary>
    public string Infrastructure => $"infrastructure: {{annotations: {{ambient.dev/address: {Address}}}}}";

    public WaypointNode? Node { get; private set; }

    /// <summary>What reached which backend.</summary>
    public ConcurrentQueue<(string Backend, SeenRequest Request)> Arrived { get; } = new();

    /// <summary>Writes a file of the folder, in one step.</summary>
    public void Write(string name, string text)
    {
        var file = Path.Combine(_folder, name);
        File.WriteAllText(file + ".new", text);
        File.Move(file + ".new", file, overwrite: true);
    }

    /// <summary>Removes a file of the folder.</summary>
    public void Remove(string name) => File.Delete(Path.Combine(_folder, name));

    /// <summary>Writes a Secret with a certificate, in a file of its name.</summary>
    public void WriteSecret(string name, X509Certificate2 certificate, string ns = "app") => Write($"secret-{name}.yaml",
        $"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {ns}}}\ntype: kubernetes.io/tls\ndata:\n"
        + $"  tls.crt: {Base64(certificate.ExportCertificatePem())}\n  tls.key: {Base64(TestCertificates.KeyOf(certificate))}\n");

    /// <summary>Writes a Secret with authorities, and with a certificate where one is given, in a file of its name.</summary>
    public void WriteCredential(string name, X509Certificate2 authority, X509Certificate2? certificate = null, string ns = "app") => Write($"secret-{name}.yaml",
        $"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {ns}}}\ntype: Opaque\ndata:\n  ca.crt: {Base64(authority.ExportCertificatePem())}\n"
        + (certificate is null ? "" : $"  tls.crt: {Base64(certificate.ExportCertificatePem())}\n  tls.key: {Base64(TestCertificates.KeyOf(certificate))}\n"));

    /// <summary>Writes a ConfigMap with authorities, in a file of its name.</summary>
    public void WriteAuthorities(string name, params X509Certificate2[] authorities) => Write($"authorities-{name}.yaml",
        $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: app}}\ndata:\n  ca.crt: |\n"
        + string.Concat(authorities.Select(authority => authority.ExportCertificatePem() + "\n").SelectMany(pem => pem.Split('\n')).Select(line => $"    {line}\n")));

    /// <summary>Adds a pod with a service of its name, which answers HTTP on 8080 with what it knows of the request, or as it is told; and on 8443 in TLS.</summary>
    public async Task<IPAddress> AddBackendAsync(string name, X509Certificate2? certificate = null, bool asksClient = false, string ns = "app", RequestDelegate? answer = null)
    {
        var address = AddPod(name, ns);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // The tests' client says http within TLS, too.
            kestrel.AllowAlternateSchemes = true;
            kestrel.Listen(address, 8080, listen => listen.Protocols = HttpProtocols.Http1);
            if (certificate is not null)
            {
                kestrel.Listen(address, 8443, listen =>
                {
                    listen.Protocols = HttpProtocols.Http1AndHttp2;
                    listen.UseHttps(https =>
                    {
                        https.ServerCertificateSelector = (connection, serverName) =>
                        {
                            connection!.Items["sni"] = serverName;
                            return certificate;
                        };
                        https.ClientCertificateMode = asksClient ? ClientCertificateMode.RequireCertificate : ClientCertificateMode.NoCertificate;
                        https.ClientCertificateValidation = (client, _, _) => client.Issuer == Authority.Subject;
                    });
                });
            }
        });
        var app = builder.Build();
        app.Use((http, next) =>
        {
            Arrived.Enqueue((name, new SeenRequest(
                http.Request.Method,
                http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget,
                http.Request.Protocol,
                http.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString()),
                http.Connection.RemoteIpAddress!)));
            return next(http);
        });
        app.Run(answer ?? (http =>
        {
            var seen = $"{name} {http.Request.Protocol} sni={ServerNameOf(http)} client={http.Connection.ClientCertificate?.Subject} "
                + $"proto={http.Request.Headers["x-forwarded-proto"]} xfcc={http.Request.Headers["x-forwarded-client-cert"]}";
            Seen.Enqueue(seen);
            return http.Response.WriteAsync(seen);
        }));
        await app.StartAsync();
        _backends.Add(app);
        return address;
    }

    /// <summary>Adds a pod with a service of its name, which greets whoever connects to 8080 and sends back what it gets.</summary>
    public void AddEcho(string name, string ns = "app")
    {
        var echo = new Echo(AddPod(name, ns), name);
        _backends.Add(echo);
    }

    /// <summary>Adds an external authorizer with a service of its name, which is asked on port 82 over gRPC and on port 80 over HTTP.</summary>
    public async Task<TestAuthorizer> AddAuthorizerAsync(string name, string ns = "app")
    {
        var authorizer = await TestAuthorizer.StartAsync(AddPod(name, ns));
        _backends.Add(authorizer);
        return authorizer;
    }

    /// <summary>Writes the gateway and its routes, and runs it.</summary>
    public async Task StartAsync(string manifests, bool untilReady = true)
    {
        Write("gateway.yaml", manifests);
        Node = await Mesh.StartGatewayFromAsync(_folder, untilReady);
    }

    /// <summary>Writes the waypoint <c>app/waypoint</c> and its routes, and runs it.</summary>
    public async Task StartWaypointAsync(string manifests, string name = "waypoint")
    {
        Write("waypoint.yaml", manifests);
        Node = await Mesh.StartWaypointFromAsync(_folder, name);
    }

    /// <summary>Sends bytes on a connection of its own to a port of the gateway, and gives back what comes until the other side closes.</summary>
    public async Task<string> SayAsync(int port, string text)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(Address, port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(text));
        client.Client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>The certificate that a listener shows for a server name; null: the handshake was refused.</summary>
    public async Task<X509Certificate2?> ShownAsync(string serverName, int port = 8443)
    {
        try
        {
            await using var tls = await ConnectAsync(serverName, port);
            return X509CertificateLoader.LoadCertificate(tls.RemoteCertificate!.GetRawCertData());
        }
        catch (Exception e) when (e is IOException or AuthenticationException or SocketException)
        {
            return null;
        }
    }

    /// <summary>Shakes hands with the gateway, taking nothing but certificates of our authority for the server name.</summary>
    public async Task<SslStream> ConnectAsync(string serverName, int port = 8443, X509Certificate2? client = null, SslApplicationProtocol? application = null, SslProtocols protocols = SslProtocols.None)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SslStream? tls = null;
        try
        {
            await socket.ConnectAsync(Address, port);
            tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = serverName,
                EnabledSslProtocols = protocols,
                ApplicationProtocols = application is { } one ? [one] : null,
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown!.Issuer == Authority.Subject,
                ClientCertificates = client is null ? [] : [client],
            }).WaitAsync(TimeSpan.FromSeconds(60));
            return tls;
        }
        catch
        {
            tls?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A client whose connections ask for a server name, whatever host its requests name.</summary>
    public HttpClient Client(string? serverName, int port = 8443, X509Certificate2? client = null, bool http2 = false) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            if (serverName is not null)
            {
                return await ConnectAsync(serverName, port, client, http2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11);
            }

            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(Address, port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        Timeout = TimeSpan.FromSeconds(60),
        DefaultRequestVersion = http2 ? HttpVersion.Version20 : HttpVersion.Version11,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    /// <summary>One request on a connection of its own: status and body.</summary>
    public async Task<(int Status, string Body)> GetAsync(string? serverName, string host, string path = "/", int port = 8443, X509Certificate2? client = null, bool http2 = false)
    {
        using var http = Client(serverName, port, client, http2);
        using var response = await http.GetAsync(new Uri($"http://{host}{path}"));
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Asks until the answer is as wanted: a folder that changes is read in its own time.</summary>
    public static async Task<T> EventuallyAsync<T>(Func<Task<T>> ask, Func<T, bool> wanted)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var answer = await ask();
            if (wanted(answer) || deadline.IsCancellationRequested)
            {
                return answer;
            }

            await Task.Delay(50);
        }
    }

    /// <summary>What comes back for what is sent to a port in clear, until the backend has seen our end; empty where the connection is closed.</summary>
    public async Task<string> TalkInClearAsync(int port, string text)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(Address, port);
        var stream = client.GetStream();
        try
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(text));
            client.Client.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return "";
        }

        return await ReadToEndAsync(stream);
    }

    /// <summary>All that comes, until it ends or is broken off.</summary>
    public static async Task<string> ReadToEndAsync(Stream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(60)) is var count and > 0)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, count));
            }
        }
        catch (IOException)
        {
            // Broken off: what came before it counts.
        }

        return text.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        await Mesh.DisposeAsync();
        foreach (var backend in _backends)
        {
            await backend.DisposeAsync();
        }

        Authority.Dispose();
        Stranger.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static object? ServerNameOf(HttpContext http) =>
        http.Features.Get<IConnectionItemsFeature>()!.Items.TryGetValue("sni", out var asked) ? asked : null;

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private IPAddress AddPod(string name, string ns)
    {
        var address = Mesh.NewAddress();
        _pods.Append(System.Globalization.CultureInfo.InvariantCulture, $$"""
            apiVersion: v1
            kind: Pod
            metadata: {name: {{name}}, namespace: {{ns}}, labels: {app: {{name}}, both: "yes"}, annotations: {ambient.dev/address: {{address}} } }
            spec: {containers: [{name: c, image: c}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: {{name}}, namespace: {{ns}}}
            spec:
              selector: {app: {{name}}}
              ports:
              - {name: plain, port: 80, targetPort: 8080}
              - {name: tcp, port: 81, targetPort: 8080}
              - {name: grpc-check, port: 82, targetPort: 9000}
              - {name: btls, port: 443, targetPort: 8443}
              - {name: https, port: 444, targetPort: 8443}
            ---

            """);
        Write("backends.yaml", _pods.ToString());
        return address;
    }

    /// <summary>Says its name, and sends back what it gets.</summary>
    private sealed class Echo : IAsyncDisposable
    {
        private readonly TcpListener _listener;
        private readonly string _name;
        private readonly Task _accepting;

        public Echo(IPAddress address, string name)
        {
            _name = name;
            _listener = new TcpListener(address, 8080);
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _accepting;
        }

        private async Task AcceptAsync()
        {
            while (true)
            {
                TcpClient client;
                try
                {
                    client = await _listener.AcceptTcpClientAsync();
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }

                _ = ServeAsync(client);
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using (client)
            {
                try
                {
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(_name + "\n"));
                    await client.GetStream().CopyToAsync(client.GetStream());
                }
                catch (IOException)
                {
                }
            }
        }
    }
}
