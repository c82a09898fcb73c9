using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>What of a route is passed over or done in another way, where it is set to anything but the usual.</summary>
internal static class RouteNotes
{
    /// <summary>Names it.</summary>
    public static void Add(RouteAction wire, string where, Problems problems)
    {
        problems.NoteIf(wire.RetryPolicy?.RetryPriority is not null, where, "retries in other localities; they avoid endpoints");
        problems.NoteIf(wire.RetryPolicy?.HostSelectionRetryMaxAttempts is not (null or 0 or 5), where, "how often another endpoint is looked for");
        problems.NoteIf(wire.MaxGrpcTimeout?.ToTimeSpan() > TimeSpan.Zero, where, "the time that a client's grpc-timeout may ask for");
        problems.NoteIf(wire.RequestMirrorPolicies.Any(static mirror => mirror.TraceSampled == true), where, "traces of copies");
        problems.NoteIf(wire.RequestMirrorPolicies.Any(static mirror => !mirror.DisableShadowHostSuffixAppend), where, "the host of copies; it stays as it is");
    }

    /// <summary>Names what concerns all routes.</summary>
    public static void Add(RouteConfiguration wire, string where, Problems problems) =>
        problems.NoteIf(wire.MaxDirectResponseBodySizeBytes is > 0 and < 4096, where, "the size of bodies that are answered at once");
}
