using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Http.Features;

namespace Ambient.Node.Requests;

/// <summary>What Kestrel calls for each request: straight into the pipeline, without the web host's layers.</summary>
internal sealed class RequestApplication(RequestPipeline pipeline) : IHttpApplication<RequestExchange>
{
    /// <inheritdoc/>
    public RequestExchange CreateContext(IFeatureCollection contextFeatures)
    {
        RequestExchange exchange;
        if (contextFeatures is IHostContextContainer<RequestExchange> container)
        {
            exchange = container.HostContext ??= pipeline.CreateExchange();
        }
        else
        {
            exchange = pipeline.CreateExchange();
        }

        exchange.Begin(contextFeatures);
        return exchange;
    }

    /// <inheritdoc/>
    public Task ProcessRequestAsync(RequestExchange context) => pipeline.InvokeAsync(context);

    /// <inheritdoc/>
    public void DisposeContext(RequestExchange context, Exception? exception) => context.End();
}
