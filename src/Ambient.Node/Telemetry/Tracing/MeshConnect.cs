namespace Ambient.Node.Telemetry.Tracing;

/// <summary>Connects to a service of the mesh, through a tunnel where its endpoints have one; null: the mesh has no such service, or no endpoint of it.</summary>
/// <param name="hostname">Host name of the service.</param>
/// <param name="port">Its port.</param>
/// <param name="cancellationToken">Gives up.</param>
/// <exception cref="IOException">The endpoint cannot be reached.</exception>
internal delegate ValueTask<Stream?> MeshConnect(string hostname, int port, CancellationToken cancellationToken);
