using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Testing.Fuzzing;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>Random policies and connections, decided by the engine and by the rules written down as plainly as they are told.</summary>
public sealed class PolicyMatchingPropertyTests
{
    private static readonly string[] Names = ["a", "b", "ab", ""];
    private static readonly string[] Patterns = ["a", "b*", "*b", "*", "td/ns/a*", "*/sa/b", "td/ns/a/sa/b"];

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Authorize_RandomPolicies_AsThePlainRules()
    {
        FuzzBudget.Run(12_000, random =>
        {
            var policies = Enumerable.Range(0, random.Next(5) == 0 ? random.Next(20, 40) : random.Next(5)).Select(i => RandomPolicy(random, i)).ToArray();
            var destination = Pod("server", "a", "10.0.0.1") with
            {
                AuthorizationPolicies = [.. policies.Where(_ => random.Next(2) == 0).Select(policy => policy.Key), "a/unknown"],
            };
            var facts = RandomConnection(random);

            var decision = ConnectionAuthorizer.Authorize(Snapshot([destination, .. policies]), destination, facts);

            Assert.Equal(PlainRules(policies, destination, facts), decision.IsAllowed);
            if (decision.Reason == AuthorizationReason.DeniedByPolicy)
            {
                Assert.True(PolicyMatches(policies.Single(policy => policy.Key == decision.Policy), facts));
            }
        });
    }

    private static bool PlainRules(AuthorizationPolicy[] policies, Workload destination, ConnectionFacts facts)
    {
        var applying = policies.Where(policy => !policy.DryRun && (policy.Scope == PolicyScope.Global
            || (policy.Scope == PolicyScope.Namespace && policy.Namespace == destination.Namespace)
            || destination.AuthorizationPolicies.Contains(policy.Key))).ToList();
        if (applying.Any(policy => policy.Action == PolicyAction.Deny && PolicyMatches(policy, facts)))
        {
            return false;
        }

        var allows = applying.Where(policy => policy.Action == PolicyAction.Allow).ToList();
        return allows.Count == 0 || allows.Any(policy => PolicyMatches(policy, facts));
    }

    private static bool PolicyMatches(AuthorizationPolicy policy, ConnectionFacts facts) =>
        policy.Rules.Any(rule => rule.Clauses.All(clause => clause.Matches.IsEmpty || clause.Matches.Any(match => MatchMatches(match, facts))));

    private static bool MatchMatches(PolicyMatch match, ConnectionFacts facts)
    {
        var identity = facts.Identity?.ToString()["spiffe://".Length..];
        var parts = identity?.Split('/');
        var fields = new List<bool?>
        {
            Field(match.Namespaces, match.NotNamespaces, value => Text(value, parts?[2] ?? "")),
            Field(match.Principals, match.NotPrincipals, value => identity is not null && Text(value, identity)),
            Field(match.ServiceAccounts, match.NotServiceAccounts, value => parts is not null && value.Namespace == parts[2] && value.ServiceAccount == parts[4]),
            Field(match.SourceIPs, match.NotSourceIPs, value => value.Contains(facts.Source.Address)),
            Field(match.DestinationIPs, match.NotDestinationIPs, value => value.Contains(facts.Destination.Address)),
            Field(match.DestinationPorts, match.NotDestinationPorts, value => value == facts.Destination.Port),
        };
        return fields.Any(field => field is not null) && fields.All(field => field != false);
    }

    private static bool? Field<T>(ImmutableArray<T> wanted, ImmutableArray<T> unwanted, Func<T, bool> hit) =>
        wanted.IsEmpty && unwanted.IsEmpty ? null : (wanted.IsEmpty || wanted.Any(hit)) && !unwanted.Any(hit);

    private static bool Text(StringMatch match, string value) => value.Length > 0 && match.Kind switch
    {
        StringMatchKind.Exact => value == match.Value,
        StringMatchKind.Prefix => value.StartsWith(match.Value, StringComparison.Ordinal),
        StringMatchKind.Suffix => value.EndsWith(match.Value, StringComparison.Ordinal),
        _ => true,
    };

    private static AuthorizationPolicy RandomPolicy(Random random, int i) => new()
    {
        Name = $"p{i}",
        Namespace = random.Next(2) == 0 ? "a" : "b",
        Scope = (PolicyScope)random.Next(3),
        Action = (PolicyAction)random.Next(2),
        DryRun = random.Next(6) == 0,
        Rules = Some(random, 3, () => new PolicyRule(Some(random, 3, () => new PolicyClause(Some(random, 3, () => RandomMatch(random)))))),
    };

    private static PolicyMatch RandomMatch(Random random) => new()
    {
        Namespaces = Rarely(random, () => StringMatch.Parse(Patterns[random.Next(Patterns.Length)])),
        NotNamespaces = Rarely(random, () => StringMatch.Parse(Patterns[random.Next(Patterns.Length)])),
        Principals = Rarely(random, () => StringMatch.Parse(Patterns[random.Next(Patterns.Length)])),
        NotPrincipals = Rarely(random, () => StringMatch.Parse(Patterns[random.Next(Patterns.Length)])),
        ServiceAccounts = Rarely(random, () => new ServiceAccountMatch(Names[random.Next(3)], Names[random.Next(3)])),
        NotServiceAccounts = Rarely(random, () => new ServiceAccountMatch(Names[random.Next(3)], Names[random.Next(3)])),
        SourceIPs = Rarely(random, () => RandomRange(random)),
        NotSourceIPs = Rarely(random, () => RandomRange(random)),
        DestinationIPs = Rarely(random, () => RandomRange(random)),
        NotDestinationIPs = Rarely(random, () => RandomRange(random)),
        DestinationPorts = Rarely(random, () => random.Next(80, 83)),
        NotDestinationPorts = Rarely(random, () => random.Next(80, 83)),
    };

    private static IPNetwork RandomRange(Random random) =>
        random.Next(3) == 0 ? IPNetwork.Parse("10.0.0.0/8") : IPNetwork.Parse($"10.0.0.{random.Next(4)}/32");

    private static ConnectionFacts RandomConnection(Random random) => new(
        To($"10.0.0.{random.Next(4)}:40000"),
        To($"10.0.0.{random.Next(4)}:{random.Next(80, 83)}"),
        random.Next(3) == 0 ? null : SpiffeId.ForServiceAccount("td", Names[random.Next(3)], Names[random.Next(3)]));

    private static ImmutableArray<T> Some<T>(Random random, int most, Func<T> make) => [.. Enumerable.Range(0, random.Next(most)).Select(_ => make())];

    private static ImmutableArray<T> Rarely<T>(Random random, Func<T> make) => random.Next(4) == 0 ? [.. Enumerable.Range(0, random.Next(1, 3)).Select(_ => make())] : [];
}
