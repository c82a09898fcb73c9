using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Puts the files of a folder together: objects that occur twice, addresses that two pods claim, sums over files.</summary>
internal sealed class ManifestMerge
{
    private readonly KubernetesObjects _objects = new();
    private readonly ConfigurationErrors _errors = new();
    private readonly Dictionary<KubernetesObject, ManifestObject> _found = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, ManifestObject> _addresses = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _skipped = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Kind, string Field), UnsupportedConfiguration> _unsupported = [];
    private readonly List<string> _noManifests = [];
    private readonly List<ConfigurationError> _repeated = [];

    private ManifestMerge()
    {
    }

    /// <summary>Everything that the files have, in the given order.</summary>
    public static ManifestLoad Of(IEnumerable<ManifestFile> files)
    {
        var merge = new ManifestMerge();
        foreach (var file in files)
        {
            merge.Add(file);
        }

        return new ManifestLoad(
            merge._objects,
            merge._errors,
            merge._skipped,
            [.. merge._unsupported.Values.OrderBy(use => use.Kind, StringComparer.Ordinal).ThenBy(use => use.Field, StringComparer.Ordinal)],
            merge._noManifests,
            merge._repeated)
        { Found = merge._found };
    }

    private void Add(ManifestFile file)
    {
        _errors.AddAll(file.Errors);
        foreach (var read in file.Objects)
        {
            Add(read);
        }

        foreach (var (kind, count) in file.Skipped)
        {
            _skipped[kind] = _skipped.GetValueOrDefault(kind) + count;
        }

        foreach (var use in file.Unsupported)
        {
            _unsupported[(use.Kind, use.Field)] =
                _unsupported.TryGetValue((use.Kind, use.Field), out var earlier) ? earlier with { Count = earlier.Count + use.Count } : use;
        }

        if (file.HoldsNoManifest)
        {
            _noManifests.Add(file.Name);
        }
    }

    private void Add(ManifestObject read)
    {
        if (_objects.Add(read.Object) is not { } existing)
        {
            _found[read.Object] = read;
            CheckAddress((read.Object as PodObject) ?? (read.Object as PodControllerObject)?.Template, read);
            return;
        }

        var other = _found[existing];
        if (other.Digest == read.Digest)
        {
            _repeated.Add(new ConfigurationError(
                read.Place.File, read.Place.Line, read.Place.Column, read.Object.Meta.ToString(), "", $"occurs twice and says the same; the other one is at {other.Place}"));
        }
        else
        {
            _errors.Add(read.Metadata with { Message = $"defined twice, differently; the other one is at {other.Place}" });
        }
    }

    /// <summary>Two pods that are given the same address would take each other's connections, and each other's policies.</summary>
    private void CheckAddress(PodObject? pod, ManifestObject read)
    {
        if (pod is { HasStatus: false } && pod.Meta.Annotation(WellKnown.Address) is { } address
            && !_addresses.TryAdd(address, read) && _addresses[address] is var other)
        {
            _errors.Add(read.Metadata with { Message = $"{WellKnown.Address} {address} is also the address of {other.Object.Meta}, at {other.Place}" });
        }
    }
}
