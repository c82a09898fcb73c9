namespace Ambient.Mesh;

/// <summary>
/// An external authorizer that a rule, or one of its backends, wants asked about each request (https://gateway-api.sigs.k8s.io/geps/gep-1494/).
/// </summary>
/// <param name="Reference">Its service and port.</param>
/// <param name="Settings">How it is asked. Where it is follows from <paramref name="Reference"/>.</param>
public sealed record RouteAuthorizer(ObjectReference Reference, ExternalAuthorizer Settings);
