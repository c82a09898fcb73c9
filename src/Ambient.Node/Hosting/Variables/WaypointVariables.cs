using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Variables;

/// <summary>Reads <see cref="WaypointOptions"/> from environment variables.</summary>
internal static class WaypointVariables
{
    /// <summary>Reads all; what is wrong is left in <paramref name="variables"/>.</summary>
    public static WaypointOptions Read(VariableReader variables)
    {
        var gateway = Required(variables, "GATEWAY_NAME", "name of the Gateway to serve: class istio-waypoint (a waypoint) or istio (an ingress gateway)");
        var ns = Required(variables, "POD_NAMESPACE", "namespace of that Gateway");
        var host = HostVariables.Read(variables);
        HostVariables.RequireSource(variables, host);
        if (host.AuthorityFolder is null)
        {
            variables.Fail("AMBIENT_CA_DIR: must be set; certificates of a remote authority cannot be had yet");
        }

        return new WaypointOptions
        {
            Host = host,
            GatewayName = gateway,
            Namespace = ns,
            PodName = variables.OptionalText("POD_NAME", "name of our own pod; not set: the one that the Gateway expands to"),
            ListenerPortOffset = variables.Integer(
                "AMBIENT_LISTENER_PORT_OFFSET", 0, 0, 60000, "added to an ingress gateway's listener ports when binding, for users who may not bind ports below 1024"),
        };
    }

    private static string Required(VariableReader variables, string name, string meaning)
    {
        if (variables.OptionalText(name, meaning) is { } value)
        {
            return value;
        }

        variables.Fail($"{name}: must be set ({meaning})");
        return "";
    }
}
