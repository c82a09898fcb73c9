using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Ambient.Node.Hosting.Options;
using Ambient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Tests.Requests;

/// <summary>What docs/operations.md shows of an embedder's own stage is compiled here, and does what it says over a real waypoint.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class TenantFilterTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Sample_IsWhatTheDocumentationShows()
    {
        var document = Repository.ReadDocument("operations.md");
        var section = document[document.IndexOf("## A stage of your own\n", StringComparison.Ordinal)..];
        var begin = section.IndexOf("```csharp\n", StringComparison.Ordinal) + "```csharp\n".Length;
        var sample = section[begin..section.IndexOf("\n```", begin, StringComparison.Ordinal)];
        var type = sample.IndexOf("internal sealed class TenantFilter", StringComparison.Ordinal);
        var folder = Path.Combine(Repository.Root, "tests", "Ambient.Node.Tests", "Requests");
        var filter = await File.ReadAllTextAsync(Path.Combine(folder, "TenantFilter.cs"));
        Assert.Equal(filter[filter.IndexOf("internal sealed class TenantFilter", StringComparison.Ordinal)..].TrimEnd(), sample[type..]);

        // The lines before it stand in this file, deeper in.
        var here = await File.ReadAllTextAsync(Path.Combine(folder, "TenantFilterTests.cs"));
        Assert.Contains(string.Concat(sample[..type].TrimEnd().Split('\n').Select(static line => $"        {line}\n")), here, StringComparison.Ordinal);
    }

    [Fact]
    public void Sample_RegistersTheFilterAtAWaypoint()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.AddAmbientMesh().FromManifests("k8s").WithEmbeddedAuthority("ca")
            .AsWaypoint(waypoint => (waypoint.GatewayName, waypoint.Namespace) = ("waypoint", "app"))
            .AddRequestFilter(new TenantFilter());
        builder.Services.RemoveAll<IValidateOptions<WaypointOptions>>();
        using var host = builder.Build();

        var options = host.Services.GetRequiredService<IOptions<WaypointOptions>>().Value;
        Assert.Equal(("waypoint", "app"), (options.GatewayName, options.Namespace));
        Assert.IsType<TenantFilter>(Assert.Single(options.Filters));
    }

    [Theory]
    [InlineData("/orders", 10, true)]
    [InlineData("/orders", 200_000, false)]
    [InlineData("/others", 10, false)]
    public async Task Filter_AsksForATenant_AndNamesTheBodyOfAnOrder(string path, int length, bool named)
    {
        _mesh.Filters.Add(new TenantFilter());
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", map: static app => app.MapPost("/{path}", static async http =>
        {
            http.Response.Headers["x-powered-by"] = "tests";
            http.Response.Headers["x-other"] = "stays";
            await http.Request.Body.CopyToAsync(Stream.Null);
        }));
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        var body = Encoding.ASCII.GetBytes(new string('x', length));

        using var nobodys = await client.PostAsync(new Uri(path, UriKind.Relative), new ByteArrayContent(body));
        Assert.Equal(HttpStatusCode.BadRequest, nobodys.StatusCode);
        Assert.Equal("which tenant?", await nobodys.Content.ReadAsStringAsync());
        Assert.Empty(pod.Requests);

        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Headers.Add("x-tenant", "blue");
        using var response = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.False(response.Headers.Contains("x-powered-by"));
        Assert.Equal("stays", response.Headers.GetValues("x-other").Single());
        Assert.Equal(named ? Convert.ToHexString(SHA256.HashData(body)) : null, Assert.Single(pod.Requests).Headers.GetValueOrDefault("x-body-sha256"));
    }
}
