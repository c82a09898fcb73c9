namespace Ambient.Mesh;

/// <summary>
/// What is done to the path of a request before policies and routes look at it; what they look at is what is sent on. The values of
/// <c>MeshConfig.pathNormalization</c>.
/// </summary>
public enum PathNormalization
{
    /// <summary>RFC 3986: dot segments are resolved, percent-encoded unreserved characters decoded, and backslashes become slashes.</summary>
    Base,

    /// <summary>Nothing: the path as it was sent. Policies on paths can be evaded by other spellings of the same path.</summary>
    None,

    /// <summary><see cref="Base"/>, and repeated slashes become one.</summary>
    MergeSlashes,

    /// <summary><see cref="MergeSlashes"/>, after <c>%2F</c> and <c>%5C</c> have become slashes too.</summary>
    DecodeAndMergeSlashes,
}
