using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Translation;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery;

/// <summary>A folder that is edited and read again and again, as the source reads it, without its waiting.</summary>
internal sealed class ChangingFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("ambient-changing-").FullName;
    private readonly ManifestCache _files;
    private readonly MeshTranslator _translator = new();
    private readonly MeshStore _store = new();
    private readonly MeshPart _part;
    private DateTime _written = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    public ChangingFolder()
    {
        _files = new ManifestCache(_path);
        _part = _store.AddPart("folder");
    }

    public MeshStore Store => _store;

    /// <summary>What the last reading parsed and translated: documents, and things by what they are.</summary>
    public Dictionary<string, int> Work { get; private set; } = [];

    /// <summary>What the last reading made of the folder, before it went into the store.</summary>
    public MeshTranslation Translation { get; private set; } = null!;

    public void Write(string name, string text)
    {
        var path = Path.Combine(_path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);

        // Edits of a test follow each other faster than file systems count time; the source waits for a quiet moment between them.
        File.SetLastWriteTimeUtc(path, _written += TimeSpan.FromSeconds(1));
    }

    public void WriteUnnoticed(string name, string text)
    {
        var path = Path.Combine(_path, name);
        var time = File.GetLastWriteTimeUtc(path);
        File.WriteAllText(path, text);
        File.SetLastWriteTimeUtc(path, time);
    }

    public void Delete(string name) => File.Delete(Path.Combine(_path, name));

    /// <summary>Reads the folder, with what is known of it from before.</summary>
    public MeshSnapshot Read()
    {
        var before = _files.DocumentsParsed;
        var load = _files.Load(new ManifestFolder(_path).List(), default);
        Assert.Empty(load.Errors.Items);
        Translation = _translator.Next(load.Objects, new TranslationOptions());
        Work = new Dictionary<string, int>(_translator.Made) { ["document"] = (int)(_files.DocumentsParsed - before) };
        MeshPublication.Publish(_part, Translation, NullLogger.Instance);
        return _store.Current;
    }

    /// <summary>Reads the folder as a process does that has just started.</summary>
    public MeshTranslation ReadFromScratch()
    {
        var load = ManifestLoader.Load(_path, new ManifestFolder(_path).List(), default);
        Assert.Empty(load.Errors.Items);
        return MeshTranslator.Translate(load.Objects, new TranslationOptions());
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);

    public static string Namespace(string ns) =>
        $"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}, labels: {{istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}}}\n";

    public static string Deployment(string ns, int i, int replicas = 2, string account = "default") => string.Create(CultureInfo.InvariantCulture, $$$"""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: app-{{{i}}}, namespace: {{{ns}}}}
        spec:
          replicas: {{{replicas}}}
          selector: {matchLabels: {app: app-{{{i}}}}}
          template:
            metadata: {labels: {app: app-{{{i}}}}}
            spec:
              serviceAccountName: {{{account}}}
              containers: [{name: c, image: i, ports: [{containerPort: 8080, name: web}]}]

        """);

    public static string Service(string ns, int i, int port = 80) => string.Create(CultureInfo.InvariantCulture, $$$"""
        apiVersion: v1
        kind: Service
        metadata: {name: app-{{{i}}}, namespace: {{{ns}}}}
        spec: {selector: {app: app-{{{i}}}}, ports: [{port: {{{port}}}, targetPort: web, name: http}]}

        """);

    public static string SelectingPolicy(string ns, int i, string principal = "cluster.local/ns/x/sa/y") => string.Create(CultureInfo.InvariantCulture, $$$"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: selects-{{{i}}}, namespace: {{{ns}}}}
        spec: {selector: {matchLabels: {app: app-{{{i}}}}}, action: DENY, rules: [{from: [{source: {principals: ["{{{principal}}}"]}}]}]}

        """);

    public static string AttachedPolicy(string ns, int i, string path = "/a") => string.Create(CultureInfo.InvariantCulture, $$$"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: attached-{{{i}}}, namespace: {{{ns}}}}
        spec: {targetRefs: [{group: "", kind: Service, name: app-{{{i}}}}], action: DENY, rules: [{to: [{operation: {paths: ["{{{path}}}"]}}]}]}

        """);

    public static string Route(string ns, int i, string path = "/") => string.Create(CultureInfo.InvariantCulture, $$$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: route-{{{i}}}, namespace: {{{ns}}}}
        spec:
          parentRefs: [{group: "", kind: Service, name: app-{{{i}}}, port: 80}]
          rules: [{matches: [{path: {type: PathPrefix, value: "{{{path}}}"}}], backendRefs: [{name: app-{{{i}}}, port: 80}]}]

        """);

    public static string WaypointGateway(string ns) => $$$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: waypoint, namespace: {{{ns}}}}
        spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}

        """;
}
