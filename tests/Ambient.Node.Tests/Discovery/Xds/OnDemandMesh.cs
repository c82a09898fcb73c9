using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Testing.ControlPlane;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>A client in on-demand mode and the istiod that it asks. Time stands still, but for the stream's own.</summary>
internal sealed class OnDemandMesh : IAsyncDisposable
{
    private readonly XdsSource _source;

    private OnDemandMesh(ControlPlaneServer server)
    {
        Server = server;
        Demand = new AddressDemand(Store, Time);
        _source = new XdsSource(XdsKit.Options(server), Store, null, NullLogger.Instance, TimeProvider.System, Demand);
    }

    public ControlPlaneServer Server { get; }

    public AddressBook Book { get; } = new();

    public MeshStore Store { get; } = new();

    public FakeTimeProvider Time { get; } = new();

    public AddressDemand Demand { get; }

    public static async Task<OnDemandMesh> StartAsync()
    {
        var mesh = new OnDemandMesh(await ControlPlaneServer.StartAsync());
        mesh.Book.Serve(mesh.Server.Discovery);
        await mesh._source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);
        return mesh;
    }

    public Task<DemandAnswer> AskAsync(string name, TimeSpan? patience = null) =>
        Demand.AskAsync(name, patience ?? XdsKit.Patience, CancellationToken.None).AsTask().WaitAsync(XdsKit.Patience);

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        await Server.DisposeAsync();
    }
}
