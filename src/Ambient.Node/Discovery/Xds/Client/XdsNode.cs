using System.Text.Json;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Protos.Discovery;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>Who we are, as the control plane wants to be told.</summary>
internal static class XdsNode
{
    /// <summary>The node of a stream's first requests.</summary>
    public static Protos.Discovery.Node Of(XdsOptions options)
    {
        var metadata = new Struct();
        foreach (var (key, value) in options.Metadata)
        {
            metadata.Fields[key] = Value.ForString(value);
        }

        foreach (var (key, value) in options.JsonMetadata)
        {
            metadata.Fields[key] = ToValue(value);
        }

        metadata.Fields["NAME"] = Value.ForString(options.PodName);
        metadata.Fields["NAMESPACE"] = Value.ForString(options.PodNamespace);
        metadata.Fields["INSTANCE_IPS"] = Value.ForString(options.InstanceIP);
        metadata.Fields["NODE_NAME"] = Value.ForString(options.NodeName);
        if (options.Kind != XdsNodeKind.Ztunnel && options.ServiceAccount.Length > 0)
        {
            metadata.Fields["SERVICE_ACCOUNT"] = Value.ForString(options.ServiceAccount);
        }

        var kind = options.Kind switch
        {
            XdsNodeKind.Waypoint => "waypoint",
            XdsNodeKind.Router => "router",
            _ => "ztunnel",
        };
        return new Protos.Discovery.Node
        {
            Cluster = options.Kind != XdsNodeKind.Ztunnel && options.ServiceAccount.Length > 0 ? $"{options.ServiceAccount}.{options.PodNamespace}" : "",
            Id = $"{kind}~{options.InstanceIP}~{options.PodName}.{options.PodNamespace}~{options.PodNamespace}.svc.cluster.local",
            Metadata = metadata,
        };
    }

    /// <summary>JSON as a protobuf value, types kept.</summary>
    public static Value ToValue(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => Value.ForStruct(ToStruct(json)),
        JsonValueKind.Array => Value.ForList([.. json.EnumerateArray().Select(ToValue)]),
        JsonValueKind.String => Value.ForString(json.GetString()),
        JsonValueKind.Number => Value.ForNumber(json.GetDouble()),
        JsonValueKind.True => Value.ForBool(true),
        JsonValueKind.False => Value.ForBool(false),
        _ => Value.ForNull(),
    };

    private static Struct ToStruct(JsonElement json)
    {
        var value = new Struct();
        foreach (var property in json.EnumerateObject())
        {
            value.Fields[property.Name] = ToValue(property.Value);
        }

        return value;
    }
}
