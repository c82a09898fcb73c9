namespace Ambient.Node.Member;

/// <summary>Whether one named client of <c>IHttpClientFactory</c> calls through the mesh.</summary>
internal sealed class MeshClientOptions
{
    /// <summary>True or false as the client was told; null: as <see cref="AmbientMeshOptions.AllClients"/> says.</summary>
    public bool? ThroughMesh { get; set; }
}
