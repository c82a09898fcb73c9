using System.Net;

namespace Ambient.Node.Requests;

/// <summary>An answer's content whose body is counted as it is read.</summary>
internal sealed class CountedContent : HttpContent
{
    private readonly HttpContent _inner;

    /// <summary>Takes over <paramref name="inner"/> and its headers.</summary>
    public CountedContent(HttpContent inner)
    {
        _inner = inner;

        // The stream of a received response is there already: this neither waits nor copies.
        Body = new CountingStream(inner.ReadAsStream());
        foreach (var (name, values) in inner.Headers.NonValidated)
        {
            foreach (var value in values)
            {
                Headers.TryAddWithoutValidation(name, value);
            }
        }
    }

    /// <summary>The body, and how much of it was read.</summary>
    public CountingStream Body { get; }

    /// <inheritdoc/>
    protected override Task<Stream> CreateContentReadStreamAsync() => Task.FromResult<Stream>(Body);

    /// <inheritdoc/>
    protected override Stream CreateContentReadStream(CancellationToken cancellationToken) => Body;

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Body.CopyToAsync(stream);

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
