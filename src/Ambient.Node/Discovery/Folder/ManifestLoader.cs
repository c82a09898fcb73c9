using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Everything that one reading of a folder found.</summary>
/// <param name="Objects">Objects.</param>
/// <param name="Errors">What is wrong; with any error the objects are not to be used.</param>
/// <param name="Skipped">Kinds that the mesh does not use, and how many objects of each.</param>
/// <param name="Unsupported">Kinds and fields that are known and not supported here.</param>
internal sealed record ManifestLoad(
    KubernetesObjects Objects, ConfigurationErrors Errors, IReadOnlyDictionary<string, int> Skipped, IReadOnlyList<UnsupportedConfiguration> Unsupported);

/// <summary>Reads manifest files into objects, going on after an error so that all of them are reported at once.</summary>
internal static class ManifestLoader
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads files in the given order.</summary>
    /// <param name="folder">Folder that the names are relative to; messages name files by their whole path.</param>
    /// <param name="files">Files.</param>
    /// <param name="cancellationToken">Stops between files.</param>
    public static ManifestLoad Load(string folder, IReadOnlyList<FileStamp> files, CancellationToken cancellationToken)
    {
        var errors = new ConfigurationErrors();
        var objects = new KubernetesObjects();
        var unsupported = new UnsupportedUses();
        var reader = new ManifestReader(objects, errors, unsupported);
        foreach (var file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ReadFile(reader, errors, System.IO.Path.Combine(folder, file.Name));
        }

        return new ManifestLoad(objects, errors, reader.Skipped, unsupported.All);
    }

    /// <summary>Reads one text, named <paramref name="name"/> in messages.</summary>
    public static ManifestLoad LoadText(string name, string text)
    {
        var errors = new ConfigurationErrors { File = name };
        var objects = new KubernetesObjects();
        var unsupported = new UnsupportedUses();
        var reader = new ManifestReader(objects, errors, unsupported);
        ReadDocuments(reader, errors, new StringReader(text));
        return new ManifestLoad(objects, errors, reader.Skipped, unsupported.All);
    }

    private static void ReadFile(ManifestReader reader, ConfigurationErrors errors, string path)
    {
        errors.File = path;
        errors.Subject = "";
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (stream.Length > YamlLimits.Manifests.MaxBytes)
            {
                errors.Add(new ConfigurationError(path, 0, 0, "", "", $"{stream.Length} bytes; at most {YamlLimits.Manifests.MaxBytes} are read"));
                return;
            }

            using var text = new StreamReader(stream, StrictUtf8, detectEncodingFromByteOrderMarks: true, bufferSize: 4096);
            ReadDocuments(reader, errors, text);
        }
        catch (DecoderFallbackException)
        {
            errors.Add(new ConfigurationError(path, 0, 0, "", "", "not UTF-8 text"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add(new ConfigurationError(path, 0, 0, "", "", $"cannot be read: {e.Message}"));
        }
    }

    private static void ReadDocuments(ManifestReader reader, ConfigurationErrors errors, TextReader text)
    {
        try
        {
            var yaml = new YamlReader(text, YamlLimits.Manifests);
            while (yaml.NextDocument())
            {
                reader.Read(yaml.ReadNode());
            }
        }
        catch (YamlReadException e)
        {
            // After a syntax error nothing tells where the next document begins: the rest of the file stays unread.
            errors.Add(new ConfigurationError(errors.File, e.Line, e.Column, "", "", e.Message));
        }
    }
}
