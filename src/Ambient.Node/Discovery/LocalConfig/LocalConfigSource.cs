using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Translation;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.LocalConfig;

/// <summary>ztunnel's local configuration, from a file or inline: read once at the start, as the original does.</summary>
internal sealed class LocalConfigSource(DiscoveryOptions options, MeshStore store, ILogger logger) : IMeshSource
{
    private readonly MeshPart _part = store.AddPart(NameOf(options));

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(() => Load(cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Load(CancellationToken cancellationToken) =>
        MeshPublication.Publish(_part, Read(options, cancellationToken), logger);

    /// <summary>Reads the configuration as it is now, in its own order.</summary>
    /// <exception cref="MeshSourceException">With every error.</exception>
    public static MeshTranslation Read(DiscoveryOptions options, CancellationToken cancellationToken)
    {
        var isFile = !string.IsNullOrEmpty(options.LocalConfigPath);
        var name = NameOf(options);
        var errors = new ConfigurationErrors { File = name };
        MeshTranslation mesh;
        try
        {
            mesh = new LocalConfigReader(errors, options.TrustDomain).Read(
                () => isFile ? OpenFile(name) : new StringReader(options.LocalConfig!), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MeshSourceException($"the local configuration {name} cannot be read (LOCAL_XDS_PATH): {e.Message}", e);
        }

        if (errors.Count > 0)
        {
            throw new MeshSourceException($"the local configuration {name} has errors ({errors.Count})", errors.Items);
        }

        return mesh;
    }

    private static string NameOf(DiscoveryOptions options) =>
        string.IsNullOrEmpty(options.LocalConfigPath) ? "LOCAL_XDS" : Path.GetFullPath(options.LocalConfigPath);

    private static StreamReader OpenFile(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        if (stream.Length > YamlLimits.LocalConfig.MaxBytes)
        {
            stream.Dispose();
            throw new IOException($"{stream.Length} bytes; at most {YamlLimits.LocalConfig.MaxBytes} are read");
        }

        return new StreamReader(stream, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, bufferSize: 64 << 10);
    }
}
