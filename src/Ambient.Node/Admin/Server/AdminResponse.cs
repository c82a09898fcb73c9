using System.IO.Compression;

namespace Ambient.Node.Admin.Server;

/// <summary>The answer of an admin endpoint.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">Value of <c>Content-Type</c>.</param>
/// <param name="Body">Body.</param>
internal sealed record AdminResponse(int Status, string ContentType, ReadOnlyMemory<byte> Body)
{
    /// <summary>Smaller bodies are not worth it.</summary>
    private const int WorthCompressing = 1024;

    /// <summary>How <see cref="Body"/> is encoded; null: as it is.</summary>
    public string? Encoding { get; private init; }

    /// <summary>The same, compressed where the client takes gzip: a page of metrics shrinks to a tenth.</summary>
    public AdminResponse For(AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (Body.Length < WorthCompressing || !request.TakesGzip)
        {
            return this;
        }

        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Body.Span);
        }

        return this with { Body = compressed.ToArray(), Encoding = "gzip" };
    }

    /// <summary>Plain text.</summary>
    public static AdminResponse Text(int status, string text) => new(status, "text/plain; charset=utf-8", System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>The path is unknown.</summary>
    public static AdminResponse NotFound { get; } = Text(404, "not found\n");

    /// <summary>The method does not fit the path.</summary>
    public static AdminResponse MethodNotAllowed { get; } = Text(405, "method not allowed\n");
}
