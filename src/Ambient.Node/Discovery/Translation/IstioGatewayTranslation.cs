using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Istio's own Gateways: each adds its servers, as listeners, to the gateways whose pods its selector means, in every namespace. Pods of no Gateway of the Gateway API
/// are a gateway by themselves, of the name of their workload.
/// </summary>
internal sealed class IstioGatewayTranslation
{
    private readonly KubernetesObjects _objects;
    private readonly TranslationOptions _options;
    private readonly TranslationMemory _memory;
    private readonly SortedDictionary<string, ListenerSet> _sets = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, Mesh.Gateway> _gateways = new(StringComparer.Ordinal);

    private IstioGatewayTranslation(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        (_objects, _options, _memory) = (objects, options, memory);
        foreach (var gateway in objects.IstioGateways.Values)
        {
            foreach (var pod in objects.Pods.Values)
            {
                if (!pod.Ended && GatewayOf(gateway, pod) is { } key && !_sets.ContainsKey(SetKey(gateway, key)))
                {
                    Add(gateway, pod, key);
                }
            }
        }
    }

    /// <summary>Servers, by a key that no ListenerSet has.</summary>
    public IReadOnlyDictionary<string, ListenerSet> Sets => _sets;

    /// <summary>Gateways that are none of the Gateway API.</summary>
    public IReadOnlyDictionary<string, Mesh.Gateway> Gateways => _gateways;

    public static IstioGatewayTranslation Translate(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory) => new(objects, options, memory);

    private static string SetKey(IstioGatewayObject gateway, string key) => $"networking.istio.io {gateway.Meta.Key} at {key}";

    /// <summary>The gateway that a pod is of, where the selector means it; null: it does not, or the pod serves no gateway.</summary>
    private string? GatewayOf(IstioGatewayObject gateway, PodObject pod)
    {
        if (!LabelSelection.Selects(gateway.Selector, pod.Meta.Labels))
        {
            return null;
        }

        var own = pod.Meta.Label(WellKnown.GatewayName) is { Length: > 0 } name ? _objects.Gateways.GetValueOrDefault($"{pod.Meta.Namespace}/{name}") : null;
        return own is { ClassName: WellKnown.GatewayClass } ? own.Meta.Key
            : own is null && gateway.Selector.Count > 0 ? $"{pod.Meta.Namespace}/{WorkloadNames.OfPod(pod)}"
            : null;
    }

    private void Add(IstioGatewayObject gateway, PodObject pod, string key)
    {
        if (!_objects.Gateways.ContainsKey(key))
        {
            _gateways[key] = _memory.Keep("gateway of pods", key, [pod], () => new Mesh.Gateway
            {
                Name = WorkloadNames.OfPod(pod),
                Namespace = pod.Meta.Namespace,
                ClassName = WellKnown.GatewayClass,
                PodLabels = pod.Meta.Labels.ToImmutableDictionary(StringComparer.Ordinal),
                NumTrustedProxies = pod.Proxy.NumTrustedProxies ?? _options.Proxy.NumTrustedProxies ?? 0,
                Headers = pod.Proxy.Headers.Over(_options.Proxy.Headers),
                ExpectsProxyHeader = pod.Proxy.SendsProxyHeader ?? _options.Proxy.SendsProxyHeader ?? false,
            });
        }

        var services = _objects.Services.Values
            .Where(service => service.Meta.Namespace == pod.Meta.Namespace && LabelSelection.SelectsNonEmpty(service.Selector, pod.Meta.Labels))
            .ToArray();
        _sets[SetKey(gateway, key)] = _memory.Keep("servers", SetKey(gateway, key), [gateway, pod, .. services], () => new ListenerSet
        {
            IsIstio = true,
            Name = gateway.Meta.Name,
            Namespace = gateway.Meta.Namespace,
            Parent = new ObjectReference("gateway.networking.k8s.io", "Gateway", pod.Meta.Namespace, key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..]),
            Listeners = [.. gateway.Servers.SelectMany(server => Listeners(server, pod, services))],
            CreationTime = gateway.Meta.CreationTime,
        });
    }

    private static IEnumerable<GatewayListener> Listeners(IstioServerSpec server, PodObject pod, ServiceObject[] services)
    {
        var port = PortOf(server.Server.Port, pod, services);

        // Plain TCP has no hosts: whoever connects to the port is meant.
        IEnumerable<KeyValuePair<string, ImmutableArray<string>>> hosts = server.Protocol == "TCP"
            ? [KeyValuePair.Create("*", server.Hosts.Any(static host => host.Value.IsEmpty) ? [] : server.Hosts.SelectMany(static host => host.Value).ToImmutableArray())]
            : server.Hosts;
        foreach (var (host, namespaces) in hosts)
        {
            yield return new GatewayListener(
                server.Hosts.Count == 1 || server.Protocol == "TCP" ? server.Name : $"{server.Name} {host}", port, server.Protocol, host == "*" ? null : host, AllowedNamespaces.All, null)
            {
                TerminatesTls = server.TerminatesTls,
                Bind = server.Bind,
                Certificates = server.TerminatesTls ? [.. server.Credentials.Select(name => new ObjectReference("", "Secret", pod.Meta.Namespace, name))] : [],
                Server = server.Server with { RouteNamespaces = namespaces },
            };
        }
    }

    /// <summary>Where a Service of the pod leads the port to; a port that no Service has is the pod's own.</summary>
    private static int PortOf(int written, PodObject pod, ServiceObject[] services)
    {
        foreach (var port in services.SelectMany(static service => service.Ports).Where(port => port.Port == written))
        {
            var named = pod.Ports.FirstOrDefault(container => container.IsTcp && container.Name == port.TargetPortName && port.TargetPortName.Length > 0);
            return port.TargetPort != 0 ? port.TargetPort : named.Port != 0 ? named.Port : written;
        }

        return written;
    }
}
