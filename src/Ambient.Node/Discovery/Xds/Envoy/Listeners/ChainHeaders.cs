using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>Headers of its own that a proxy sets, as a chain says it: MeshConfig's <c>proxyHeaders</c>.</summary>
internal static class ChainHeaders
{
    // PASS_THROUGH of ServerHeaderTransformation.
    private const int PassThrough = 2;

    /// <summary>Reads them.</summary>
    /// <param name="wire">The chain's HTTP.</param>
    /// <param name="where">The chain.</param>
    /// <param name="problems">Takes what cannot be done.</param>
    public static ProxyHeaders Read(HttpConnectionManager wire, string where, Problems problems)
    {
        var name = wire.ServerName is { Length: > 0 } own and not ProxyHeaders.DefaultServer ? own : null;
        var isHeader = name is null || name.All(HttpSyntax.IsFieldValue);
        problems.NoteIf(!isHeader, where, "a name of the server that no header may have");
        return new ProxyHeaders
        {
            RequestId = wire.GenerateRequestId == false ? false : null,
            Server = wire.ServerHeaderTransformation == PassThrough ? false : null,
            ServerName = isHeader ? name : null,
            Debug = wire.HttpFilters.Any(static filter => filter.TypedConfig?.TypeUrl == EnvoyTypes.Router && Router.Parser.ParseFrom(filter.TypedConfig.Value).SuppressEnvoyHeaders) ? false : null,
            ForwardedPort = wire.AppendXForwardedPort ? true : null,
        };
    }
}
