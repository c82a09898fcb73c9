using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Everything that one reading of a folder found.</summary>
/// <param name="Objects">Objects.</param>
/// <param name="Errors">What is wrong; with any error the objects are not to be used.</param>
/// <param name="Skipped">Kinds that the mesh does not use, and how many objects of each.</param>
/// <param name="Unsupported">Kinds and fields that are known and not supported here.</param>
/// <param name="NoManifests">Files that hold no Kubernetes object.</param>
/// <param name="Repeated">Objects that occur a second time, saying the same.</param>
internal sealed record ManifestLoad(
    KubernetesObjects Objects,
    ConfigurationErrors Errors,
    IReadOnlyDictionary<string, int> Skipped,
    IReadOnlyList<UnsupportedConfiguration> Unsupported,
    IReadOnlyList<string> NoManifests,
    IReadOnlyList<ConfigurationError> Repeated)
{
    /// <summary>Where each object stands, and what it says.</summary>
    public required IReadOnlyDictionary<KubernetesObject, ManifestObject> Found { get; init; }
}

/// <summary>Reads manifest files into objects, going on after an error so that all of them are reported at once.</summary>
internal static class ManifestLoader
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads files in the given order, once.</summary>
    /// <param name="folder">Folder that the names are relative to; messages name files by their whole path.</param>
    /// <param name="files">Files.</param>
    /// <param name="cancellationToken">Stops between files.</param>
    public static ManifestLoad Load(string folder, IReadOnlyList<FileStamp> files, CancellationToken cancellationToken) =>
        new ManifestCache(folder).Load(files, cancellationToken);

    /// <summary>Reads one text, named <paramref name="name"/> in messages.</summary>
    public static ManifestLoad LoadText(string name, string text) => ManifestMerge.Of([ReadFile(name, Encoding.UTF8.GetBytes(text))]);

    /// <summary>The bytes of a file with their digest; where they cannot be read, what there is to say instead.</summary>
    internal static bool TryReadBytes(string path, out (byte[] Bytes, string Digest) text, [NotNullWhen(false)] out ManifestFile? unreadable)
    {
        text = ([], "");
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (stream.Length > YamlLimits.Manifests.MaxBytes)
            {
                unreadable = Unreadable(path, $"{stream.Length} bytes; at most {YamlLimits.Manifests.MaxBytes} are read");
                return false;
            }

            var bytes = new byte[stream.Length];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            bytes = length == bytes.Length ? bytes : bytes[..length];
            text = (bytes, Convert.ToHexString(SHA256.HashData(bytes)));
            unreadable = null;
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            unreadable = Unreadable(path, $"cannot be read: {e.Message}");
            return false;
        }
    }

    /// <summary>Reads one file from its bytes.</summary>
    internal static ManifestFile ReadFile(string path, byte[] bytes)
    {
        var errors = new ConfigurationErrors();
        var reader = new ManifestReader(path, errors);
        try
        {
            if (path.EndsWith(".json", StringComparison.Ordinal))
            {
                var json = bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
                if (JsonDocuments.IsJson(json))
                {
                    ReadDocuments(reader, errors, JsonDocuments.Read(json, YamlLimits.Manifests));
                    return reader.File;
                }
            }

            using var text = new StreamReader(new MemoryStream(bytes), StrictUtf8, detectEncodingFromByteOrderMarks: true, bufferSize: 4096);
            ReadDocuments(reader, errors, YamlDocuments(text));
        }
        catch (DecoderFallbackException)
        {
            errors.Add(new ConfigurationError(path, 0, 0, "", "", "not UTF-8 text"));
        }

        return reader.File;
    }

    private static ManifestFile Unreadable(string path, string message)
    {
        var errors = new ConfigurationErrors();
        errors.Add(new ConfigurationError(path, 0, 0, "", "", message));
        return new ManifestReader(path, errors).File with { WasRead = false };
    }

    private static IEnumerable<YamlNode> YamlDocuments(TextReader text)
    {
        var yaml = new YamlReader(text, YamlLimits.Manifests, tolerant: true);
        while (yaml.NextDocument())
        {
            yield return yaml.ReadNode();
        }
    }

    private static void ReadDocuments(ManifestReader reader, ConfigurationErrors errors, IEnumerable<YamlNode> documents)
    {
        try
        {
            foreach (var document in documents)
            {
                reader.Read(document);
            }

            reader.EndFile();
        }
        catch (YamlReadException e)
        {
            // After a syntax error nothing tells where the next document begins: the rest of the file stays unread.
            errors.Add(new ConfigurationError(errors.File, e.Line, e.Column, "", "", e.Message));
        }
    }
}
