using Ambient.Node.Hosting.Builder;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Member;
using Ambient.Node.Membership;
using Ambient.Node.Requests;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Where the mesh comes from, who issues certificates, and what kind of node an application is.</summary>
public static class AmbientMeshBuilderExtensions
{
    private static readonly NodeKind<ZtunnelOptions> s_ztunnel = new(
        "ztunnel",
        static options => options.Host,
        static options => options.ToMeshRuntime(),
        static async (options, membership, store, loggers, shutdown, time, cancellationToken) =>
            await ZtunnelHost.StartAsync(options, membership, store, loggers, shutdown, time, cancellationToken).ConfigureAwait(false));

    private static readonly NodeKind<WaypointOptions> s_waypoint = new(
        "waypoint",
        static options => options.Host,
        static options => options.ToMeshRuntime(),
        static async (options, membership, store, loggers, shutdown, time, cancellationToken) =>
            await WaypointHost.StartAsync(options, membership, store, loggers, shutdown, time, cancellationToken).ConfigureAwait(false));

    /// <summary>The mesh is a watched folder of Kubernetes YAML. For a waypoint, it may be beside <see cref="FromIstiod"/>, and brings its HTTP configuration.</summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="folder">The folder.</param>
    public static IAmbientMeshBuilder FromManifests(this IAmbientMeshBuilder builder, string folder) =>
        Configure(builder, options => options.Manifests = folder);

    /// <summary>The mesh comes from istiod, over xDS.</summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="configure">Where istiod is, over what the section <c>Ambient:Istiod</c> says; null: as it stands there.</param>
    public static IAmbientMeshBuilder FromIstiod(this IAmbientMeshBuilder builder, Action<IstiodOptions>? configure = null) =>
        Configure(builder, options => configure?.Invoke(options.Istiod ??= new IstiodOptions()), options => options.Istiod ??= new IstiodOptions());

    /// <summary>The mesh is a file in ztunnel's local format, read once. May be beside <see cref="FromIstiod"/>, and is read first then.</summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="file">The file.</param>
    public static IAmbientMeshBuilder FromLocalConfig(this IAmbientMeshBuilder builder, string file) =>
        Configure(builder, options => options.LocalConfig = file);

    /// <summary>Certificates come from an authority in this process, whose root is kept in a folder that the hosts of a machine share.</summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="folder">The folder, of mode 0700.</param>
    public static IAmbientMeshBuilder WithEmbeddedAuthority(this IAmbientMeshBuilder builder, string folder) =>
        Configure(builder, options => options.AuthorityFolder = folder);

    /// <summary>Certificates come from istiod, or whoever else speaks Istio's certificate protocol.</summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="configure">Where it is, over what the section <c>Ambient:IstioAuthority</c> says; null: as it stands there.</param>
    public static IAmbientMeshBuilder WithIstioAuthority(this IAmbientMeshBuilder builder, Action<IstiodOptions>? configure = null) =>
        Configure(builder, options => configure?.Invoke(options.IstioAuthority ??= new IstiodOptions()), options => options.IstioAuthority ??= new IstiodOptions());

    /// <summary>Certificates come from a SPIFFE Workload API, such as that of a SPIRE agent.</summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="address"><c>unix:///path</c> or <c>tcp://address:port</c>.</param>
    public static IAmbientMeshBuilder WithWorkloadApi(this IAmbientMeshBuilder builder, string address) =>
        Configure(builder, options => options.WorkloadApi = address);

    /// <summary>
    /// The application is a ztunnel, in all that the executable can be: it starts and drains with the host and logs by the host's loggers.
    /// </summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="configure">
    /// Settings of the ztunnel, over the section <c>Ambient:Ztunnel</c>; <see cref="ZtunnelOptions.Host"/> has what is known of the mesh already.
    /// </param>
    public static IAmbientMeshBuilder AsZtunnel(this IAmbientMeshBuilder builder, Action<ZtunnelOptions>? configure = null)
    {
        Become(builder, static services => new NodeService<ZtunnelOptions>(services, s_ztunnel));
        builder.Services.AddSingleton<IConfigureOptions<ZtunnelOptions>, NodeOptionsSetup>();
        var options = builder.Services.AddOptions<ZtunnelOptions>();
        if (configure is not null)
        {
            options.Configure(configure);
        }

        options.ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<ZtunnelOptions>, NodeOptionsValidator>();
        return builder;
    }

    /// <summary>
    /// The application is a waypoint or an ingress gateway, as the Gateway's class says, in all that the executable can be: it starts and drains
    /// with the host and logs by the host's loggers.
    /// </summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="configure">
    /// Settings of the waypoint, over the section <c>Ambient:Waypoint</c>: the Gateway's name and namespace at least.
    /// <see cref="WaypointOptions.Host"/> has what is known of the mesh already.
    /// </param>
    public static IAmbientMeshBuilder AsWaypoint(this IAmbientMeshBuilder builder, Action<WaypointOptions>? configure = null)
    {
        Become(builder, static services => new NodeService<WaypointOptions>(services, s_waypoint));
        builder.Services.AddSingleton<IConfigureOptions<WaypointOptions>, NodeOptionsSetup>();
        var options = builder.Services.AddOptions<WaypointOptions>();
        if (configure is not null)
        {
            options.Configure(configure);
        }

        options.ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<WaypointOptions>, NodeOptionsValidator>();
        return builder;
    }

    /// <summary>
    /// Adds a stage of the application's own to the way of requests through its waypoint or gateway. Filters are asked in the order in which they are added.
    /// </summary>
    /// <param name="builder">The mesh.</param>
    /// <param name="filter">The filter: one object for all requests.</param>
    public static IAmbientMeshBuilder AddRequestFilter(this IAmbientMeshBuilder builder, MeshRequestFilter filter)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(filter);
        builder.Services.Configure<WaypointOptions>(options => options.Filters.Add(filter));
        return builder;
    }

    private static void Become(IAmbientMeshBuilder builder, Func<IServiceProvider, Microsoft.Extensions.Hosting.IHostedService> node)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var role = (NodeRole)builder.Services.Single(static service => service.ServiceType == typeof(NodeRole)).ImplementationInstance!;
        if (!role.IsMember)
        {
            throw new InvalidOperationException("an application is one node of the mesh: call either AsZtunnel or AsWaypoint, and once");
        }

        role.IsMember = false;
        role.Create = node;
    }

    private static IAmbientMeshBuilder Configure(IAmbientMeshBuilder builder, params Action<AmbientMeshOptions>[] configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        foreach (var action in configure)
        {
            builder.Services.Configure(action);
        }

        return builder;
    }
}
