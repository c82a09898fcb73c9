using Microsoft.Extensions.DependencyInjection;

namespace Ambient.Node.Member;

/// <summary>Says that <c>AddAmbientMesh()</c> was called.</summary>
internal sealed class AmbientMeshMarker
{
    /// <summary>Turns a forgotten call into an error that names it.</summary>
    public static void Require(IServiceProvider services)
    {
        if (services.GetService<AmbientMeshMarker>() is null)
        {
            throw new InvalidOperationException(
                "This client is to call through the mesh (AddMeshHandler), but the application has not joined it: call builder.AddAmbientMesh() in Program.cs.");
        }
    }
}
