using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Names;

/// <summary>The mesh's word on a name.</summary>
/// <param name="Service">The service that it is the name of.</param>
/// <param name="Alias">The name without its search domain, when it was found by that and not as a wildcard; else null.</param>
/// <param name="Addresses">Addresses of the family that was asked for; may be none, which is an answer too.</param>
public sealed record NameAnswer(MeshService Service, string? Alias, ImmutableArray<IPAddress> Addresses);
