namespace Ambient.Node.Telemetry.Exporting;

/// <summary>Connects to a service of the mesh, through a tunnel where its endpoints have one; null: the mesh has no such host.</summary>
/// <param name="hostname">Host name of the service.</param>
/// <param name="port">Its port.</param>
/// <param name="cancellationToken">Gives up.</param>
/// <exception cref="IOException">The mesh has the host, and it cannot be reached as the mesh says.</exception>
internal delegate ValueTask<Stream?> MeshConnect(string hostname, int port, CancellationToken cancellationToken);
