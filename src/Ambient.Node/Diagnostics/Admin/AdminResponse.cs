using System.Text;

namespace Ambient.Node.Diagnostics.Admin;

/// <summary>The answer of an admin endpoint.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">Value of <c>Content-Type</c>.</param>
/// <param name="Body">Body.</param>
internal sealed record AdminResponse(int Status, string ContentType, ReadOnlyMemory<byte> Body)
{
    /// <summary>Plain text.</summary>
    public static AdminResponse Text(int status, string text) => new(status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(text));

    /// <summary>The path is unknown.</summary>
    public static AdminResponse NotFound { get; } = Text(404, "not found\n");

    /// <summary>The method does not fit the path.</summary>
    public static AdminResponse MethodNotAllowed { get; } = Text(405, "method not allowed\n");
}
