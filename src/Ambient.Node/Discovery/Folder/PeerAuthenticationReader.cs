using System.Globalization;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads and validates PeerAuthentications.</summary>
internal static class PeerAuthenticationReader
{
    public static PeerAuthenticationObject ReadPeerAuthentication(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var selector = PolicySelectors.Read(spec);
        var ports = new SortedDictionary<int, MutualTlsMode>();
        foreach (var (key, mode) in spec.ObjectMap("portLevelMtls"))
        {
            if (int.TryParse(key.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535)
            {
                ports[port] = ReadMode(mode);
            }
            else
            {
                mode.Errors.Add(key, mode.Path, $"\"{key.Value}\" is not a port; expected a whole number from 1 to 65535");
            }
        }

        if (ports.Count > 0 && selector is null)
        {
            spec.Error("portLevelMtls", "not allowed without a selector: ports are those of selected workloads");
        }

        return new PeerAuthenticationObject(meta)
        {
            Selector = selector,
            Mode = spec.Object("mtls") is { } mtls ? ReadMode(mtls) : MutualTlsMode.Unset,
            PortModes = ports,
        };
    }

    private static MutualTlsMode ReadMode(FieldReader mtls)
    {
        return mtls.OneOf("mode", "UNSET", "DISABLE", "PERMISSIVE", "STRICT") switch
        {
            "STRICT" => MutualTlsMode.Strict,
            "PERMISSIVE" => MutualTlsMode.Permissive,
            "DISABLE" => MutualTlsMode.Disable,
            _ => MutualTlsMode.Unset,
        };
    }
}
