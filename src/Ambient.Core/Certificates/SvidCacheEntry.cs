using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>One identity of an <see cref="SvidCache"/>, for an operator's eyes.</summary>
/// <param name="Identity">The identity.</param>
/// <param name="State"><c>Available</c>, <c>Initializing</c>, or <c>Unavailable: reason</c>.</param>
/// <param name="Svid">What is handed out now; null unless available.</param>
public sealed record SvidCacheEntry(SpiffeId Identity, string State, X509Svid? Svid);
