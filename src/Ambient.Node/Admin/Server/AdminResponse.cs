namespace Ambient.Node.Admin.Server;

/// <summary>The answer of an admin endpoint.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">Value of <c>Content-Type</c>.</param>
/// <param name="Body">Body; empty when there is a <see cref="Writer"/>.</param>
internal sealed record AdminResponse(int Status, string ContentType, ReadOnlyMemory<byte> Body)
{
    /// <summary>Writes a body that is too large to be held, or might be, as it is sent. Null: the body is <see cref="Body"/>.</summary>
    public Func<Stream, CancellationToken, ValueTask>? Writer { get; private init; }

    /// <summary>Whether the body is compressed for clients that take gzip: a page of metrics shrinks to a tenth.</summary>
    public bool Compressible { get; private init; }

    /// <summary>An answer whose body is written piece by piece while it is sent.</summary>
    public static AdminResponse Streamed(string contentType, Func<Stream, CancellationToken, ValueTask> writer, bool compressible = false) =>
        new(200, contentType, default) { Writer = writer, Compressible = compressible };

    /// <summary>Plain text.</summary>
    public static AdminResponse Text(int status, string text) => new(status, "text/plain; charset=utf-8", System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>The path is unknown.</summary>
    public static AdminResponse NotFound { get; } = Text(404, "not found\n");

    /// <summary>The method does not fit the path.</summary>
    public static AdminResponse MethodNotAllowed { get; } = Text(405, "method not allowed\n");

    /// <summary>The whole body, for callers that are not a socket.</summary>
    public async ValueTask<byte[]> ReadBodyAsync(CancellationToken cancellationToken)
    {
        if (Writer is null)
        {
            return Body.ToArray();
        }

        using var whole = new MemoryStream();
        await Writer(whole, cancellationToken).ConfigureAwait(false);
        return whole.ToArray();
    }
}
