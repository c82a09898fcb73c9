using System.Net;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads ServiceEntries and WorkloadEntries.</summary>
internal static class ServiceEntryReader
{
    public static ServiceEntryObject ReadServiceEntry(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var hosts = spec.Strings("hosts");
        if (hosts.Count == 0)
        {
            spec.Error("hosts", "missing; expected at least one host");
        }

        return new ServiceEntryObject(meta)
        {
            Hosts = hosts,
            Addresses = ReadAddresses(spec),
            AllocatedAddresses = ReadAllocated(fields.ObjectOrEmpty("status")),
            Ports = ReadPorts(spec),
            Resolution = spec.OneOf("resolution", "NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS") switch
            {
                "STATIC" => ServiceEntryResolution.Static,
                "DNS" => ServiceEntryResolution.Dns,
                "DNS_ROUND_ROBIN" => ServiceEntryResolution.DnsRoundRobin,
                "DYNAMIC_DNS" => ServiceEntryResolution.DynamicDns,
                _ => ServiceEntryResolution.None,
            },
            Endpoints = [.. spec.Objects("endpoints").Select(endpoint => ReadEntry(meta, endpoint))],
            WorkloadSelector = spec.Object("workloadSelector")?.StringMap("labels"),
            ExportTo = spec.Strings("exportTo"),
            SubjectAltNames = spec.Strings("subjectAltNames"),
        };
    }

    public static WorkloadEntryObject ReadWorkloadEntry(ObjectMeta meta, FieldReader fields) =>
        ReadEntry(meta, fields.ObjectOrEmpty("spec"), mergeLabels: true);

    private static WorkloadEntryObject ReadEntry(ObjectMeta meta, FieldReader spec, bool mergeLabels = false)
    {
        var labels = spec.StringMap("labels");
        if (mergeLabels)
        {
            // Both places may hold labels; those of the object win.
            foreach (var (name, value) in meta.Labels)
            {
                labels[name] = value;
            }
        }

        var ports = new Dictionary<string, int>(StringComparer.Ordinal);
        if (spec.Object("ports") is { } map)
        {
            foreach (var name in map.Names)
            {
                ports[name.Value] = map.Integer(name.Value, 1, 65535) ?? 0;
            }
        }

        return new WorkloadEntryObject(meta with { Labels = labels })
        {
            // In another network it may be known by that network's gateway alone.
            Address = spec.String("network") is { Length: > 0 } ? spec.String("address") ?? "" : spec.RequiredString("address"),
            ServiceAccount = spec.String("serviceAccount") ?? "",
            Ports = ports,
            Network = spec.String("network") ?? "",
            Locality = spec.String("locality") ?? "",
            Weight = (uint)(spec.Integer("weight", 0, int.MaxValue) ?? 0),
        };
    }

    private static List<IPNetwork> ReadAddresses(FieldReader spec)
    {
        var ranges = new List<IPNetwork>();
        var texts = spec.Strings("addresses");
        for (var i = 0; i < texts.Count; i++)
        {
            if (IPText.TryParseRange(texts[i], out var range))
            {
                ranges.Add(range);
            }
            else
            {
                spec.Error("addresses", i, $"\"{texts[i]}\" is not an IP address or range");
            }
        }

        return ranges;
    }

    private static ILookup<string, IPAddress> ReadAllocated(FieldReader status)
    {
        var allocated = new List<(string Host, IPAddress Address)>();
        foreach (var entry in status.Objects("addresses"))
        {
            if (IPText.TryParseAddress(entry.String("value"), out var address))
            {
                allocated.Add((entry.String("host") ?? "", address));
            }
        }

        return allocated.ToLookup(entry => entry.Host, entry => entry.Address);
    }

    private static List<ServicePortSpec> ReadPorts(FieldReader spec)
    {
        var ports = new List<ServicePortSpec>();
        foreach (var port in spec.Objects("ports"))
        {
            var number = port.RequiredInteger("number", 1, 65535);
            var target = port.Integer("targetPort", 0, 65535) ?? 0;
            ports.Add(new ServicePortSpec(
                port.String("name") ?? "",
                number,
                target == 0 ? number : target,
                "",
                AppProtocols.Parse(port.String("protocol") ?? "")));
        }

        return ports;
    }
}
