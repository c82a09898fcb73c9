using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Hostile;

/// <summary>What istiod told one proxy, as it was recorded.</summary>
internal sealed class Recording
{
    private static readonly string[] s_files = ["wds", "cds", "eds", "lds", "rds", "ecds", "sds"];

    private readonly Lazy<(string Type, Resource Resource)[]> _resources;

    private Recording(string folder)
    {
        Folder = folder;
        (Node, Pod) = RecordedIstiod.NodeOf(folder);
        _resources = new(() => [.. Responses!.Select(DeltaDiscoveryResponse.Parser.ParseFrom).SelectMany(static response => response.Resources, static (response, resource) => (response.TypeUrl, resource))]);
        Responses = [.. s_files.Select(file => Path.Combine(folder, $"{file}.binpb")).Where(File.Exists).Select(File.ReadAllBytes)];
    }

    public string Folder { get; }

    public EnvoyNode Node { get; }

    public string Pod { get; }

    /// <summary>The answers, in the order in which they are applied here.</summary>
    public IReadOnlyList<byte[]> Responses { get; }

    /// <summary>Every recording that there is; the test is skipped where there are none.</summary>
    public static IReadOnlyList<Recording> All()
    {
        GoldenFolder.Require("http");
        return
        [
            .. new[] { "http", "xds" }.SelectMany(GoldenFolder.Cases, (group, row) => Path.Combine(GoldenFolder.Case(group, (string)row[0]), "xds"))
                .Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories).Where(folder => File.Exists(Path.Combine(folder, "node.json")))
                .Order(StringComparer.Ordinal).Select(folder => new Recording(folder)),
        ];
    }

    /// <summary>Every resource of it with the type of its response, in that order.</summary>
    public IReadOnlyList<(string Type, Resource Resource)> Resources() => _resources.Value;

    /// <summary>A session that was told all of it: the last good state.</summary>
    public (EnvoySession Session, MeshStore Store) Start(int without = -1)
    {
        var store = new MeshStore();
        var session = new EnvoySession(store, Node, NullLogger.Instance);
        for (var i = 0; i < Responses.Count; i++)
        {
            if (i != without)
            {
                session.Hear(Responses[i]);
            }
        }

        // What was recorded and nobody wants is let go.
        session.Tell(EnvoyTypes.Cluster);
        session.Tell(EnvoyTypes.Listener);
        return (session, store);
    }

    /// <summary>Tells of one resource again, with other bytes, and answers what is asked for then.</summary>
    public XdsAnswer Tell(EnvoySession session, string type, Resource resource, ByteString value)
    {
        var other = resource.Clone();
        other.Resource_.Value = value;
        var answer = session.Tell(type, other);
        for (var further = answer.Further; further.Count > 0;)
        {
            further = [.. further.Where(request => request.ResourceNamesSubscribe.Count > 0).SelectMany(request => session.Tell(
                request.TypeUrl, [.. Resources().Where(entry => entry.Type == request.TypeUrl && request.ResourceNamesSubscribe.Contains(entry.Resource.Name)).Select(entry => entry.Resource)]).Further)];
        }

        return answer;
    }

    public override string ToString() => string.Join('/', Folder.Split(Path.DirectorySeparatorChar)[^3..]);
}
