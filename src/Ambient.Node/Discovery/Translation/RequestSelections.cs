using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Which pods are selected by what only requests are evaluated on: CUSTOM and AUDIT policies, those on trial, RequestAuthentications. A pod that
/// answers requests itself obeys them, and workloads do not list them as they do the policies of layer 4.
/// </summary>
internal static class RequestSelections
{
    public static ImmutableDictionary<string, RequestSelection> Translate(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        var policies = objects.AuthorizationPolicies.Values.Where(policy => policy.Policy is { Selector: not null, IsOfRequestsAlone: true }).ToArray();
        var authentications = objects.RequestAuthentications.Values.Where(authentication => authentication.Authentication.Selector is not null).ToArray();
        if (policies.Length + authentications.Length == 0)
        {
            return ImmutableDictionary<string, RequestSelection>.Empty;
        }

        var selections = new List<KeyValuePair<string, RequestSelection>>();
        foreach (var pod in objects.Pods.Values)
        {
            var meta = pod.Meta;
            var near = policies.Where(policy => IsInReach(policy.Meta)).ToArray();
            var looking = authentications.Where(authentication => IsInReach(authentication.Meta)).ToArray();
            if (near.Length + looking.Length == 0)
            {
                continue;
            }

            selections.Add(KeyValuePair.Create(
                $"{options.ClusterId}//Pod/{meta.Namespace}/{meta.Name}",
                memory.Keep("selection of requests", meta.Key, [pod, .. near, null, .. looking], () => new RequestSelection(
                    [.. near.Where(policy => LabelSelection.Selects(policy.Policy.Selector!, meta.Labels)).Select(policy => policy.Meta.Key)],
                    [.. looking.Where(authentication => LabelSelection.Selects(authentication.Authentication.Selector!, meta.Labels)).Select(authentication => authentication.Meta.Key)]))));

            bool IsInReach(ObjectMeta selecting) => selecting.Namespace == meta.Namespace || selecting.Namespace == options.RootNamespace;
        }

        return memory.Keep(
            "table", "selections", [.. selections.SelectMany(entry => new object[] { entry.Key, entry.Value })], () => ImmutableDictionary.CreateRange(StringComparer.Ordinal, selections));
    }
}
