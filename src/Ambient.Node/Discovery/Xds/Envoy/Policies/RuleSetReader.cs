using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Rules of a chain as policies, by the names of the objects that they come from.</summary>
internal static partial class RuleSetReader
{
    private const string CustomPrefix = "istio-ext-authz-";
    private const string CustomStat = "istio_ext_authz_";

    /// <summary>Policies of an HTTP chain's filter.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such filter.</exception>
    public static IEnumerable<RequestAuthorizationPolicy> ReadHttp(ByteString bytes, string where, Problems problems)
    {
        var wire = Strict.Read(HttpRules.Parser, bytes, out var isWhole);
        return Read(wire.Rules, wire.ShadowRules, wire.ShadowRulesStatPrefix, isWhole, where, problems);
    }

    /// <summary>Policies of another chain's filter.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such filter.</exception>
    public static IEnumerable<RequestAuthorizationPolicy> ReadNetwork(ByteString bytes, string where, Problems problems)
    {
        var wire = Strict.Read(NetworkRules.Parser, bytes, out var isWhole);
        return Read(wire.Rules, wire.ShadowRules, wire.ShadowRulesStatPrefix, isWhole, where, problems);
    }

    private static List<RequestAuthorizationPolicy> Read(RuleSet? rules, RuleSet? shadow, string shadowPrefix, bool isWhole, string where, Problems problems)
    {
        // What is in force where it is not known which part is not understood: none of it lets in, all of it keeps out.
        ImmutableArray<string> unknown = isWhole ? [] : [problems.Add($"{where} policies", "a field that is not known")];
        var found = new List<RequestAuthorizationPolicy>();
        if (rules is not null)
        {
            var action = rules.Action switch
            {
                RuleSet.Types.Action.Allow => PolicyAction.Allow,
                RuleSet.Types.Action.Log => PolicyAction.Audit,
                RuleSet.Types.Action.Deny => PolicyAction.Deny,
                _ => (PolicyAction?)null,
            };
            if (action is null)
            {
                found.Add(ChainPolicies.Nobody(problems.Add($"{where} policies", $"the action {(int)rules.Action} is not known")));
            }
            else
            {
                found.AddRange(PoliciesOf(rules, action.Value, dryRun: false, unknown, where, problems));
            }
        }

        if (!isWhole)
        {
            found.Add(ChainPolicies.Nobody(unknown[0]));
        }

        if (shadow is not null)
        {
            found.AddRange(shadowPrefix == CustomStat
                ? PoliciesOf(shadow, PolicyAction.Custom, dryRun: false, unknown, where, problems)
                : PoliciesOf(shadow, shadow.Action == RuleSet.Types.Action.Deny ? PolicyAction.Deny : PolicyAction.Allow, dryRun: true, unknown, where, problems));
        }

        return found;
    }

    private static IEnumerable<RequestAuthorizationPolicy> PoliciesOf(
        RuleSet wire, PolicyAction action, bool dryRun, ImmutableArray<string> unknown, string where, Problems problems)
    {
        if (wire.Policies.Count == 0)
        {
            return [new RequestAuthorizationPolicy { Namespace = "", Name = $"no rule ({action})", Action = action, DryRun = dryRun }];
        }

        return wire.Policies
            .Select(entry => (Name: NameOf(entry.Key), Rule: RuleOf(entry.Key, entry.Value, unknown, where, problems)))
            .GroupBy(rule => (rule.Name.Namespace, rule.Name.Policy, rule.Name.Provider))
            .OrderBy(group => group.Key.Policy, StringComparer.Ordinal).ThenBy(group => group.Key.Namespace, StringComparer.Ordinal).ThenBy(group => group.Key.Provider, StringComparer.Ordinal)
            .Select(group => new RequestAuthorizationPolicy
            {
                Namespace = group.Key.Namespace,
                Name = group.Key.Policy,
                Action = action,
                Provider = group.Key.Provider,
                DryRun = dryRun,
                Rules = [.. group.OrderBy(rule => rule.Name.Index).Select(rule => rule.Rule)],
            });
    }

    private static RequestRule RuleOf(string name, RuleSetPolicy wire, ImmutableArray<string> unknown, string where, Problems problems)
    {
        var expressions = ExpressionReader.Read(wire);
        foreach (var expression in expressions)
        {
            Name(expression, $"{where} policy {name}", problems, 64);
        }

        return new RequestRule { Expressions = expressions, Unsupported = unknown };
    }

    private static void Name(RequestExpression expression, string where, Problems problems, int depth)
    {
        switch (expression)
        {
            case UnknownExpression unknown:
                problems.Add(where, unknown.What);
                break;
            case TextExpression { Comparison: { Kind: TextComparisonKind.RegularExpression } comparison } when !Texts.IsUsable(comparison.Value):
                problems.Add(where, $"the regular expression {comparison.Value} cannot be used");
                break;
            case NotExpression not when depth > 0:
                Name(not.Part, where, problems, depth - 1);
                break;
            case AllExpression or AnyExpression when depth > 0:
                foreach (var part in expression is AllExpression all ? all.Parts : ((AnyExpression)expression).Parts)
                {
                    Name(part, where, problems, depth - 1);
                }

                break;
        }
    }

    private static (string Namespace, string Policy, int Index, string Provider) NameOf(string name)
    {
        var match = ObjectName().Match(name);
        var provider = name.StartsWith(CustomPrefix, StringComparison.Ordinal) && match.Success ? name[CustomPrefix.Length..match.Index].TrimEnd('-') : "";
        return match.Success && int.TryParse(match.Groups[3].ValueSpan, out var index)
            ? (match.Groups[1].Value, match.Groups[2].Value, index, provider)
            : ("", name, 0, provider);
    }

    [GeneratedRegex(@"ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[([0-9]{1,9})\]", RegexOptions.CultureInvariant)]
    private static partial Regex ObjectName();
}
