using Ambient.Node.Member;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>What a mesh member shows of itself.</summary>
public static class AmbientMeshEndpointExtensions
{
    /// <summary>
    /// Serves the member's metrics in the text format of Prometheus: Istio's TCP metrics of its tunnels, and what its control plane sends. Guarded by
    /// the workload's policies like every other path; a scraper outside the mesh needs <see cref="AmbientMeshOptions.ProbePaths"/> or
    /// <see cref="AmbientMeshOptions.ProbePorts"/>.
    /// </summary>
    /// <param name="endpoints">The application's endpoints.</param>
    /// <param name="pattern">Path. Default <c>/stats/prometheus</c>, as at Istio's proxies.</param>
    /// <exception cref="InvalidOperationException">The application is not a mesh member: <c>AddAmbientMesh()</c> was not called.</exception>
    public static IEndpointConventionBuilder MapAmbientMeshMetrics(this IEndpointRouteBuilder endpoints, string pattern = "/stats/prometheus")
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        var member = endpoints.ServiceProvider.GetService<MeshMember>()
            ?? throw new InvalidOperationException("no mesh member has metrics to serve; call AddAmbientMesh() first");
        return endpoints.MapGet(pattern, (RequestDelegate)(async http =>
        {
            http.Response.ContentType = http.Request.Headers.Accept.ToString().Contains("application/openmetrics-text", StringComparison.OrdinalIgnoreCase)
                ? "application/openmetrics-text;charset=utf-8;version=1.0.0"
                : "text/plain; charset=utf-8";
            await member.Metrics.WriteAsync(http.Response.Body, http.RequestAborted).ConfigureAwait(false);
        }));
    }
}
