using Ambient.Hbone.AspNetCore;
using Ambient.Mesh;
using Ambient.Node.Member;
using Ambient.Node.Membership;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.Hosting;

/// <summary>Makes an ASP.NET application a member of the mesh in its own process.</summary>
public static class AmbientMeshExtensions
{
    /// <summary>
    /// Joins the mesh as the pod that the configuration section <c>Ambient</c> names (<see cref="AmbientMeshOptions"/>): Kestrel serves
    /// HBONE on the pod's address, port 15008; callers are authenticated by their certificates and show as
    /// <c>HttpContext.User</c> and <see cref="IHboneConnectionFeature"/>; policies of the workload are enforced before the
    /// application's middleware; and clients of <c>IHttpClientFactory</c> reach services of the mesh by name, through HBONE,
    /// with this workload's certificate. Kestrel's other endpoints (<c>ASPNETCORE_URLS</c>, <c>HTTP_PORTS</c>, <c>Kestrel:Endpoints</c>,
    /// <c>app.Urls</c>) are served as written, and the same policies guard them, save for what <see cref="AmbientMeshOptions.ProbePaths"/>
    /// and <see cref="AmbientMeshOptions.ProbePorts"/> leave open; without any, only HBONE is served. Adds the authentication scheme
    /// <see cref="MeshClaims.AuthenticationType"/>, the default where the application has no scheme of its own.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <returns>Says where the mesh and certificates come from, and whether the application is another kind of node than a member.</returns>
    public static IAmbientMeshBuilder AddAmbientMesh(this IHostApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        if (services.Any(service => service.ServiceType == typeof(AmbientMeshMarker)))
        {
            return new MeshBuilder(services);
        }

        services.AddSingleton<AmbientMeshMarker>();
        var role = new NodeRole { Create = static provider => provider.GetRequiredService<MeshMember>() };
        services.AddSingleton(role);
        services.TryAddSingleton<MeshStore>();
        services.TryAddSingleton(TimeProvider.System);
        AddOptions(builder);
        AddServer(services);
        services.AddSingleton<MeshMember>();
        services.AddSingleton<PlainEndpoints>();
        services.AddSingleton<IHostedService>(provider => role.Create(provider));
        services.AddSingleton(static provider => new MeshConnector(provider.GetRequiredService<MeshMember>(), provider.GetRequiredService<IOptions<AmbientMeshOptions>>()));
        services.AddHttpClient();

        // First of the filters, so that what it does after the others have run is the last word on a client's handler.
        services.Insert(0, ServiceDescriptor.Singleton<IHttpMessageHandlerBuilderFilter, MeshClientFilter>());
        AddAuthentication(services);
        return new MeshBuilder(services);
    }

    /// <summary>
    /// Sends a client's connections through the mesh: names of services (<c>reviews</c>, <c>reviews.shop</c>, the full name) are
    /// found in it and reached through HBONE; other hosts are dialled plainly. Needed only where <c>Ambient:AllClients</c> is
    /// false. Replaces the <see cref="SocketsHttpHandler.ConnectCallback"/> of the client's primary handler, whoever configured it and
    /// when; a primary handler of another type is an error when the client is first made.
    /// </summary>
    /// <param name="builder">The client's builder.</param>
    /// <returns>The builder.</returns>
    public static IHttpClientBuilder AddMeshHandler(this IHttpClientBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure<MeshClientOptions>(builder.Name, static client => client.ThroughMesh = true);
        return builder.ConfigureAdditionalHttpMessageHandlers(static (_, provider) => AmbientMeshMarker.Require(provider));
    }

    /// <summary>Keeps a client outside the mesh, whatever <c>Ambient:AllClients</c> says: its connections are made as without the mesh.</summary>
    /// <param name="builder">The client's builder.</param>
    /// <returns>The builder.</returns>
    public static IHttpClientBuilder WithoutMeshHandler(this IHttpClientBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure<MeshClientOptions>(builder.Name, static client => client.ThroughMesh = false);
        return builder;
    }

    private static void AddAuthentication(IServiceCollection services)
    {
        services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, MeshAuthenticationHandler>(MeshClaims.AuthenticationType, null);
        services.AddSingleton<IPostConfigureOptions<AuthenticationOptions>, MeshAuthenticationDefaults>();
        services.AddAuthorization();
    }

    private static void AddOptions(IHostApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        builder.Services.AddOptions<AmbientMeshOptions>()
            .Bind(configuration.GetSection(AmbientMeshOptions.SectionName))
            .PostConfigure(options =>
            {
                // The variables that hosts on the same machine read: one environment fits all.
                options.Manifests ??= options is { LocalConfig: null, Istiod: null } ? configuration["AMBIENT_MANIFESTS"] : null;
                options.LocalConfig ??= options is { Manifests: null, Istiod: null } ? configuration["LOCAL_XDS_PATH"] : null;
                options.AuthorityFolder ??= options is { IstioAuthority: null, WorkloadApi: null } ? configuration["AMBIENT_CA_DIR"] : null;
                options.RevocationFile ??= configuration["CRL_PATH"];
                options.NodeName ??= configuration["NODE_NAME"];
                options.Pod ??= configuration["POD_NAME"];
                options.Namespace ??= configuration["POD_NAMESPACE"];
            })
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<AmbientMeshOptions>, AmbientMeshOptionsValidator>();
    }

    private static void AddServer(IServiceCollection services)
    {
        services.AddSingleton<HboneTransport>();
        services.AddSingleton<IConnectionListenerFactory>(static provider => provider.GetRequiredService<HboneTransport>());
        services.AddOptions<KestrelServerOptions>().Configure<NodeRole>(static (kestrel, role) =>
        {
            if (!role.IsMember)
            {
                return;
            }

            kestrel.Listen(MemberInbound.Http1, static listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(MemberInbound.Http2, static listen => listen.Protocols = HttpProtocols.Http2);
        });

        // Before whatever is registered already: filters run in the order of their registration, and one that answers, or that
        // believes X-Forwarded-For, would come before the policies.
        services.Insert(0, ServiceDescriptor.Singleton<IStartupFilter, MemberGuard>());
    }

    private sealed class MeshBuilder(IServiceCollection services) : IAmbientMeshBuilder
    {
        public IServiceCollection Services { get; } = services;
    }
}
