using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Translation;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// A folder of Kubernetes manifests as the mesh. Editing a file is this machine's <c>kubectl apply</c>: what is right is live
/// within a moment; what is wrong is reported with file and line, and the mesh stays as it was.
/// </summary>
internal sealed class ManifestFolderSource : IMeshSource
{
    private readonly DiscoveryOptions _options;
    private readonly MeshPart _part;
    private readonly bool _requestsOnly;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ManifestFolder _folder;
    private readonly TranslationOptions _translation;
    private readonly ManifestCache _files;
    private readonly MeshTranslator _translator = new();
    private readonly HashSet<string> _reportedKinds = new(StringComparer.Ordinal);
    private readonly HashSet<string> _reportedFiles = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private Task _run = Task.CompletedTask;
    private bool _started;
    private bool _wrong;
    private bool _filled;
    private volatile ConfigurationErrors? _firstErrors;

    /// <summary>Creates the source. It does nothing before <see cref="StartAsync"/>.</summary>
    /// <param name="options">The folder, and what its objects do not say.</param>
    /// <param name="store">Where it publishes.</param>
    /// <param name="logger">Where it says what changed and what is wrong.</param>
    /// <param name="time">Clock.</param>
    /// <param name="requestsOnly">
    /// Whether only Gateways, routes and request policies are taken, because somebody else says which workloads, services and layer 4 policies
    /// there are.
    /// </param>
    public ManifestFolderSource(DiscoveryOptions options, MeshStore store, ILogger logger, TimeProvider time, bool requestsOnly = false)
    {
        _options = options;
        _requestsOnly = requestsOnly;
        _logger = logger;
        _time = time;
        _folder = new ManifestFolder(Path.GetFullPath(options.ManifestsFolder!));
        _part = store.AddPart(_folder.Path);
        _files = new ManifestCache(_folder.Path);
        _translation = new TranslationOptions
        {
            ClusterId = options.ClusterId,
            Network = options.Network,
            ClusterDomain = options.ClusterDomain,
            TrustDomain = options.TrustDomain,
            TrustDomainAliases = [.. options.TrustDomainAliases],
            PathNormalization = options.PathNormalization,
            LogsAccess = options.LogsAccess,
            ExternalAuthorizers = options.ExternalAuthorizers,
            Proxy = options.Proxy,
            Telemetry = options.Telemetry,
            RootNamespace = options.RootNamespace,
            PodRange = options.PodRange,
            ServiceRange = options.ServiceRange,
        };
    }

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!Directory.Exists(_folder.Path))
        {
            throw new MeshSourceException($"the manifests folder {_folder.Path} does not exist (AMBIENT_MANIFESTS)");
        }

        if (_started)
        {
            throw new InvalidOperationException("the source was started before");
        }

        _started = true;
        _run = Task.Run(RunAsync, CancellationToken.None);
        try
        {
            await _first.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (_firstErrors is { } errors)
        {
            // Whoever gave up is told what it was that was waited for.
            throw new OperationCanceledException(
                e.Message, new MeshSourceException($"{_folder.Path} cannot be the mesh: {errors.Count} error(s)", errors.Items), cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _first.TrySetCanceled();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var changes = new FolderChanges(_folder, _options, _time, _logger);
        try
        {
            while (true)
            {
                var files = await changes.NextAsync(_stop.Token).ConfigureAwait(false);
                if (Read(files, changes))
                {
                    _first.TrySetResult();
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Stopped.
        }
        catch (Exception e)
        {
            // A fault of ours: whoever waits for the first mesh must not wait for ever.
            _first.TrySetException(e);
            DiscoveryLog.CannotRead(_logger, _folder.Path, e.ToString());
        }
    }

    /// <summary>Reads and publishes; whether a mesh of these files is live now.</summary>
    private bool Read(IReadOnlyList<FileStamp> files, FolderChanges changes)
    {
        var load = _files.Load(files, _stop.Token);
        if (changes.ChangedSince(files))
        {
            return false; // what was read may be half of two versions; the change is coming back as the next one
        }

        ReportFiles(load);
        CheckTrustDomain(load);
        if (load.Errors.Count > 0)
        {
            Report(load.Errors);
            return false;
        }

        MeshTranslation mesh;
        try
        {
            mesh = _translator.Next(load.Objects, _translation);
            mesh = mesh with { Requests = mesh.Requests with { Unsupported = [.. load.Unsupported] } };
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Reading checked every value; still, one object that trips translation must not end the watch.
            var errors = new ConfigurationErrors();
            errors.Add(new ConfigurationError(_folder.Path, 0, 0, "", "", $"cannot be translated: {e.Message}"));
            Report(errors);
            return false;
        }

        if (_wrong)
        {
            // Mended to what it was before, nothing else would be said.
            _wrong = false;
            DiscoveryLog.Mended(_logger, _folder.Path);
        }

        ReportSkipped(load.Skipped);
        ReportUnsupported(load.Unsupported);
        ReportNotices(load, mesh.Notices);
        MeshPublication.Publish(_part, mesh, _logger, _requestsOnly);
        ReportEmpty(mesh.Workloads.Count + mesh.Services.Count == 0, files.Count);
        return true;
    }

    /// <summary>A mesh that nobody has filled yet is how one begins; one that lost all it had may be somebody's mistake.</summary>
    private void ReportEmpty(bool isEmpty, int files)
    {
        if (!isEmpty)
        {
            _filled = true;
        }
        else if (!_requestsOnly && _filled)
        {
            DiscoveryLog.EmptyMesh(_logger, _folder.Path, files);
        }
        else if (!_requestsOnly)
        {
            DiscoveryLog.NothingYet(_logger, _folder.Path, files);
        }
    }

    /// <summary>Certificates are of the trust domain that this node was started with: another one in the mesh would match nobody.</summary>
    private void CheckTrustDomain(ManifestLoad load)
    {
        if (load.Objects.MeshConfigs.GetValueOrDefault($"{_translation.RootNamespace}/istio") is { TrustDomain: { } domain, AtTrustDomain: { } at }
            && domain != _translation.TrustDomain)
        {
            load.Errors.Add(at with { Message = $"\"{domain}\" is not the trust domain of this node, {_translation.TrustDomain}; start it with that one (TRUST_DOMAIN)" });
        }
    }

    /// <summary>What is not read, and what is read twice; each is said once.</summary>
    private void ReportFiles(ManifestLoad load)
    {
        foreach (var file in load.NoManifests)
        {
            if (_reportedFiles.Add(file))
            {
                DiscoveryLog.NoManifest(_logger, file);
            }
        }

        foreach (var (name, reason) in _folder.LeftOut)
        {
            if (_reportedFiles.Add(name))
            {
                DiscoveryLog.LeftOut(_logger, Path.Combine(_folder.Path, name), reason);
            }
        }

        foreach (var repeated in load.Repeated)
        {
            var text = repeated.ToString();
            if (_reportedFiles.Add(text))
            {
                DiscoveryLog.Repeated(_logger, text);
            }
        }
    }

    private void ReportSkipped(IReadOnlyDictionary<string, int> skipped)
    {
        foreach (var (kind, count) in skipped)
        {
            if (_reportedKinds.Add(kind))
            {
                DiscoveryLog.SkippedKind(_logger, kind, count, _folder.Path);
            }
        }
    }

    private void ReportUnsupported(IReadOnlyList<UnsupportedConfiguration> unsupported)
    {
        foreach (var use in unsupported)
        {
            if (_reportedKinds.Add($"{use.Kind} {use.Field}"))
            {
                DiscoveryLog.NotSupported(_logger, use.Kind, use.Field.Length == 0 ? "" : $" {use.Field}", use.Count, use.FirstObject, use.FirstPlace);
            }
        }
    }

    private void ReportNotices(ManifestLoad load, IReadOnlyList<TranslationNotice> notices)
    {
        foreach (var notice in notices)
        {
            var place = load.Found.TryGetValue(notice.About, out var found) ? found.Place : notice.About.Meta.Place;
            if (_reportedFiles.Add($"{place} {notice.Text}"))
            {
                DiscoveryLog.Ineffective(_logger, notice.Text, place.ToString());
            }
        }
    }

    private void Report(ConfigurationErrors errors)
    {
        _wrong = true;
        foreach (var error in errors.Items)
        {
            DiscoveryLog.ConfigurationError(_logger, error.ToString());
        }

        if (_first.Task.IsCompleted)
        {
            DiscoveryLog.KeptLastGood(_logger, _folder.Path, errors.Count);
        }
        else
        {
            _firstErrors = errors;
            DiscoveryLog.WaitingForFirst(_logger, _folder.Path, errors.Count);
        }
    }
}
