using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Mesh;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Ambient.Node.Tests.Requests.Conversations;

/// <summary>Where a conversation passes through on its way to a pod.</summary>
public enum Entrance
{
    /// <summary>A waypoint, inside a tunnel of the caller.</summary>
    Waypoint,

    /// <summary>A gateway's listener in clear.</summary>
    Gateway,
}

/// <summary>A pod of the service <c>web</c>, and a waypoint or gateway before it.</summary>
internal sealed class Way(TestMesh mesh, TestPod pod, MeshService service, Entrance entrance, int port)
{
    /// <summary>The pod.</summary>
    public TestPod Pod => pod;

    /// <summary>Starts both.</summary>
    /// <param name="mesh">Where.</param>
    /// <param name="entrance">What stands before the pod.</param>
    /// <param name="port">Port of the service: 80 is HTTP/1.1 to the pod, 90 HTTP/2.</param>
    /// <param name="map">What the pod serves.</param>
    /// <param name="services">What it needs for that.</param>
    public static async Task<Way> OpenAsync(TestMesh mesh, Entrance entrance, int port, Action<WebApplication> map, Action<IServiceCollection>? services = null)
    {
        var service = mesh.AddService("web", entrance == Entrance.Waypoint ? "waypoint" : null);
        var pod = await mesh.AddPodAsync("web-0", "web", "web", map: map, services: services);
        if (entrance == Entrance.Waypoint)
        {
            await mesh.StartWaypointAsync();
        }
        else
        {
            mesh.SetGatewayRoute(port: port);
            await mesh.StartGatewayAsync(new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null));
        }

        return new Way(mesh, pod, service, entrance, port);
    }

    /// <summary>A client of the pod, in <paramref name="version"/> alone. Who it is counts at a waypoint only.</summary>
    public HttpClient Client(string account, Version version)
    {
        var client = entrance == Entrance.Waypoint
            ? mesh.ThroughWaypoint(TestMesh.Id(account), service, port)
            : new HttpClient(new SocketsHttpHandler { UseProxy = false })
            {
                BaseAddress = new Uri($"http://{mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0]}:8080"),
                Timeout = TimeSpan.FromSeconds(60),
            };
        client.DefaultRequestVersion = version;
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return client;
    }
}
