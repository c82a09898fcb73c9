using System.Net;

namespace Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

/// <summary>
/// The <c>resolv.conf</c> of each namespace, as kubelets write it for pods: <c>ip netns exec</c> shows a process the one that lies in
/// <c>/etc/netns</c> under the namespace's name.
/// </summary>
internal sealed class ResolverFiles(IPAddress server, string ns) : IDisposable
{
    private const string Folder = "/etc/netns";
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);

    /// <summary>Writes it for a namespace.</summary>
    public void Write(string name)
    {
        Directory.CreateDirectory(Path.Combine(Folder, name));
        File.WriteAllText(
            Path.Combine(Folder, name, "resolv.conf"),
            $"nameserver {server}\nsearch {ns}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n");
        _written.Add(name);
    }

    /// <summary>Removes it.</summary>
    public void Remove(string name)
    {
        if (_written.Remove(name))
        {
            Directory.Delete(Path.Combine(Folder, name), recursive: true);
        }
    }

    /// <summary>Removes all of them, and the folder if nobody else uses it.</summary>
    public void Dispose()
    {
        foreach (var name in _written.ToList())
        {
            Remove(name);
        }

        if (Directory.Exists(Folder) && !Directory.EnumerateFileSystemEntries(Folder).Any())
        {
            Directory.Delete(Folder);
        }
    }
}
