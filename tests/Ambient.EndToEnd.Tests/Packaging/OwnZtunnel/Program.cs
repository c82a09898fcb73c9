// A ztunnel in an application of one's own, made of the packages alone: two workloads on loopback addresses, an application behind one,
// and a call from the other through SOCKS5, HBONE and a policy. Prints what came of it.
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

var folder = Directory.CreateTempSubdirectory("own-ztunnel-").FullName;
var mesh = Directory.CreateDirectory(Path.Combine(folder, "mesh")).FullName;
await File.WriteAllTextAsync(Path.Combine(mesh, "mesh.yaml"), """
    apiVersion: v1
    kind: Namespace
    metadata: {name: own, labels: {istio.io/dataplane-mode: ambient}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web, namespace: own}
    spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: web-viewer, namespace: own}
    spec:
      selector: {matchLabels: {app: web}}
      rules: [{from: [{source: {principals: [cluster.local/ns/own/sa/friend]}}]}]

    """ + Deployment("friend", 2) + Deployment("stranger", 3) + Deployment("web", 4));

var builder = Host.CreateApplicationBuilder(args);
builder.AddAmbientMesh()
    .FromManifests(mesh)
    .WithEmbeddedAuthority(Path.Combine(folder, "ca"))
    .AsZtunnel(ztunnel =>
    {
        ztunnel.Host.PortOffset = 17_100;
        ztunnel.Host.IPv6Enabled = false;
    });
using var host = builder.Build();
await host.StartAsync();
_ = ServeAsync();
Console.WriteLine($"friend: {await CallAsync(2)}");
Console.WriteLine($"stranger: {await CallAsync(3)}");
await host.StopAsync();
Console.WriteLine("STOPPED");

async Task<string> CallAsync(int last)
{
    using var client = new HttpClient(new SocketsHttpHandler { Proxy = new WebProxy($"socks5://127.77.9.{last}:15080"), UseProxy = true });
    try
    {
        return await client.GetStringAsync("http://web/");
    }
    catch (HttpRequestException)
    {
        return "refused";
    }
}

async Task ServeAsync()
{
    using var listener = new TcpListener(IPAddress.Parse("127.77.9.4"), 8080);
    listener.Start();
    while (true)
    {
        using var connection = await listener.AcceptTcpClientAsync();
        var stream = connection.GetStream();
        if (await stream.ReadAsync(new byte[4096]) > 0)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"));
        }
    }
}

static string Deployment(string name, int last) => """
    ---
    apiVersion: v1
    kind: ServiceAccount
    metadata: {name: NAME, namespace: own}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: NAME, namespace: own}
    spec:
      selector: {matchLabels: {app: NAME}}
      template:
        metadata: {labels: {app: NAME}, annotations: {ambient.dev/address: 127.77.9.LAST}}
        spec: {serviceAccountName: NAME, containers: [{name: app, image: app}]}

    """.Replace("NAME", name).Replace("LAST", last.ToString());
