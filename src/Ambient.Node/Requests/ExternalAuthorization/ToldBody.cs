using Ambient.Mesh;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What an external authorizer is told of a body, of which something is held.</summary>
/// <param name="Bytes">What it is told.</param>
/// <param name="IsPartial">Whether that is not all of it.</param>
internal readonly record struct ToldBody(ReadOnlyMemory<byte> Bytes, bool IsPartial)
{
    /// <summary>
    /// How many bytes are held before the authorizer is asked. One more than it may be told says whether that was all; of a body that may be told in part
    /// nothing is waited for beyond that part.
    /// </summary>
    public static int Most(CheckedBody wanted) => wanted.AllowPartial ? wanted.MaxBytes : wanted.MaxBytes + 1;

    /// <summary>Of a body what the authorizer is told; null: it has to be told all of it, and may not. Failing open would not make it fit.</summary>
    /// <param name="wanted">What the authorizer wants.</param>
    /// <param name="held">The beginning of the body: <see cref="Most"/> bytes or more, where there are as many.</param>
    /// <param name="isWhole">Whether the body's end was read.</param>
    /// <param name="contentLength">How long the body says that it is.</param>
    public static ToldBody? Of(CheckedBody wanted, ReadOnlyMemory<byte> held, bool isWhole, long? contentLength)
    {
        var isPartial = held.Length > wanted.MaxBytes || !(isWhole || contentLength == held.Length);
        return isPartial && !wanted.AllowPartial ? null : new ToldBody(held[..Math.Min(held.Length, wanted.MaxBytes)], isPartial);
    }
}
