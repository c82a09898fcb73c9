namespace Ambient.Node.Requests;

/// <summary>
/// A stage of an embedder's own in the way of every request through a waypoint or gateway: it reads and edits heads, answers in place of the endpoint,
/// and looks at bodies or replaces them within a bound. Registered by <c>AddRequestFilter</c>; one object serves all requests, on the threads that move
/// their bytes, so it must not block and has no state of a request (<see cref="MeshRequestContext.State"/> has). What it throws is a 500, with the reason in the access log.
/// </summary>
public abstract class MeshRequestFilter
{
    /// <summary>
    /// A request that policies have let in and routes have given a backend, as it is about to be sent. Policies and routes are not asked again about
    /// what is changed here.
    /// </summary>
    public virtual ValueTask OnRequestAsync(MeshRequestContext context) => default;

    /// <summary>The final head of the endpoint's answer, before it goes to the client. Not called for answers of the proxy's own, filters' included.</summary>
    public virtual ValueTask OnResponseAsync(MeshRequestContext context) => default;
}
