using Ambient.Node.Membership;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// Puts clients' connections on the mesh after everything else has configured their handlers: a client with a primary handler of its own
/// must not leave the mesh without a word.
/// </summary>
internal sealed class MeshClientFilter(IOptionsMonitor<MeshClientOptions> clients, IOptions<AmbientMeshOptions> mesh, MeshConnector connector, NodeRole role)
    : IHttpMessageHandlerBuilderFilter
{
    /// <inheritdoc/>
    public Action<HttpMessageHandlerBuilder> Configure(Action<HttpMessageHandlerBuilder> next) => !role.IsMember ? next : builder =>
    {
        next(builder);
        var name = builder.Name ?? "";
        if (clients.Get(name).ThroughMesh ?? mesh.Value.AllClients)
        {
            builder.PrimaryHandler = builder.PrimaryHandler is SocketsHttpHandler handler
                ? connector.CreateHandler(handler)
                : throw new InvalidOperationException(
                    $"The HTTP client \"{name}\" has a primary handler of type {builder.PrimaryHandler.GetType().Name}, whose connections cannot be led through the mesh: " +
                    "make it a SocketsHttpHandler (UseSocketsHttpHandler), or call WithoutMeshHandler() on the client if it is to stay outside the mesh.");
        }
    };
}
