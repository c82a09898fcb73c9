using Microsoft.Extensions.DependencyInjection;

namespace Ambient.Node.Membership;

/// <summary>
/// Configures an application's part in the mesh, which <c>AddAmbientMesh()</c> has begun: where the mesh comes from (<c>FromManifests</c>,
/// <c>FromIstiod</c>, <c>FromLocalConfig</c>), who issues certificates (<c>WithEmbeddedAuthority</c>, <c>WithIstioAuthority</c>,
/// <c>WithWorkloadApi</c>), and what kind of node it is: a member by default, or <c>AsZtunnel</c> or <c>AsWaypoint</c>. An
/// <see cref="Certificates.ISvidSource"/>, <see cref="Certificates.ICertificateAuthority"/> or
/// <see cref="Discovery.Sources.IMeshSource"/> of the application's own in <see cref="Services"/> is used in place of what options name; a
/// source of one's own takes the <see cref="Mesh.MeshStore"/> that it fills as a service.
/// </summary>
public interface IAmbientMeshBuilder
{
    /// <summary>Services of the application.</summary>
    IServiceCollection Services { get; }
}
