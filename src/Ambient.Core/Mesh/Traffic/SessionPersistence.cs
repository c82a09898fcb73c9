namespace Ambient.Mesh;

/// <summary>A client's requests go to the endpoint that answered its first one, by what it was told then.</summary>
/// <param name="IsCookie">Whether it is told by a cookie rather than by a header.</param>
/// <param name="Name">Name of the cookie or header.</param>
public sealed record SessionPersistence(bool IsCookie, string Name)
{
    /// <summary>Path of the cookie. Default <c>/</c>.</summary>
    public string Path { get; init; } = "/";

    /// <summary>How long the cookie lives; null: as long as the browser's session.</summary>
    public TimeSpan? Lifetime { get; init; }
}
