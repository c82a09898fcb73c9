using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Microsoft.Extensions.DependencyInjection;

namespace Ambient.Node.Membership;

/// <summary>Parts of a membership that an application brings itself, as services.</summary>
internal static class OwnParts
{
    /// <summary>The options, with what the application's services replace of them.</summary>
    public static MeshRuntimeOptions WithOwnParts(this MeshRuntimeOptions options, IServiceProvider services)
    {
        var known = services.GetService<IServiceProviderIsService>();
        return options with
        {
            Source = known?.IsService(typeof(IMeshSource)) == true ? _ => services.GetRequiredService<IMeshSource>() : null,
            OwnAuthority = services.GetService<ICertificateAuthority>(),
            OwnSvids = services.GetService<ISvidSource>(),
        };
    }

    /// <summary>Which parts the application brings, without making them: what is not used need not be configured.</summary>
    public static (bool Source, bool Authority) Of(IServiceProvider services)
    {
        var known = services.GetService<IServiceProviderIsService>();
        return (Has(typeof(IMeshSource)), Has(typeof(ICertificateAuthority)) || Has(typeof(ISvidSource)));

        bool Has(Type part) => known?.IsService(part) == true;
    }

    /// <summary>The store that the application's own source fills, or that ours does.</summary>
    public static MeshStore Store(IServiceProvider services) => services.GetService<MeshStore>() ?? new MeshStore();
}
