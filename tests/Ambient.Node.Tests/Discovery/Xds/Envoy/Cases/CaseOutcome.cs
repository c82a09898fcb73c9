using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Ambient.Http;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>What came of one try: what the client was answered, and what reached endpoints, in words that are the same whoever told the host of the mesh.</summary>
internal sealed partial class CaseOutcome
{
    // Another one for every try, or every moment. What traces are continued by is left out: whether there is one is chance, too.
    private static readonly string[] s_chance = ["date", "x-request-id", "x-envoy-upstream-service-time"];

    private readonly CaseAnswer _answer;
    private readonly CaseSeen[] _seen;
    private readonly string[] _pods;

    public CaseOutcome(CaseAnswer answer, CaseSeen[] seen, MeshSnapshot mesh)
    {
        (_answer, _seen) = (answer, seen);
        _pods = [.. seen.Select(each => NameOf(mesh, each.Origin.End.Address))];
        Text = $"{answer.Status} {answer.Text.TrimEnd()} [{FieldsOf(answer.Fields)}]{string.Concat(seen.Select((each, i) => $"\n      {ServiceOf(_pods[i])} {Describe(each)}").Order(StringComparer.Ordinal))}";
    }

    /// <summary>All of it, but for which of a service's pods it was.</summary>
    public string Text { get; }

    /// <summary>The pod that was reached first; null: none.</summary>
    public string? Pod => _pods is [var first, ..] ? first : null;

    /// <summary>What came of it, without the texts of answers.</summary>
    public string Essence => $"{_answer.Status} {string.Join(' ', _pods.Select(ServiceOf))}";

    /// <summary>Whether it is what was expected.</summary>
    public bool Meets(Expected expected, Question question)
    {
        // An authorizer's questions and copies come beside the request itself: their order is theirs.
        return _answer.Status == expected.Status
            && _pods.Select(ServiceOf).Order(StringComparer.Ordinal).SequenceEqual(expected.Reached.Order(StringComparer.Ordinal))
            && (expected.Target is null || _seen.Any(seen => seen.Target == expected.Target))
            && (_seen.Length == 0 || expected.Seen.All(field => Holds(field, Sights())))
            && expected.Told.All(field => Holds(field, _answer.Fields.Select(each => (each.Name, (string?)each.Value))))
            && (expected.Text ?? (question.Speech == Speech.Bytes && expected.Status == 200 ? question.Said : null)) is var text && (text is null || text.TrimEnd() == _answer.Text.TrimEnd());
    }

    /// <summary>Fields that endpoints saw, and in parentheses what else they saw.</summary>
    private IEnumerable<(string Name, string? Value)> Sights() => _seen.SelectMany(static seen => seen.Fields.Select(field => (field.Name, (string?)field.Value)).Concat(
    [
        ("(tunnel)", seen.Origin.By.Length > 0 ? seen.Origin.By : null),
        ("(tls)", seen.Origin.ServerName),
        ("(client)", seen.Origin.Shown),
        ("(proxy)", seen.Origin.Proxy),
        ("(version)", VersionOf(seen)),
        ("(port)", seen.Origin.End.Port.ToString(CultureInfo.InvariantCulture)),
        ("(length)", seen.Length.ToString(CultureInfo.InvariantCulture)),
    ]).Where(field => field.Item2 is not null));

    /// <summary><c>name: value</c>, or <c>name:</c> with any value, or <c>!name</c> for none.</summary>
    private static bool Holds(string field, IEnumerable<(string Name, string? Value)> fields)
    {
        if (field[0] == '!')
        {
            return fields.All(each => each.Name != field[1..]);
        }

        var colon = field.IndexOf(':', StringComparison.Ordinal);
        var (name, value) = (field[..colon], field[(colon + 1)..].Trim());
        return fields.Any(each => each.Name == name && (value.Length == 0 || each.Value == value));
    }

    private static string Describe(CaseSeen seen) =>
        $"{(seen.Origin.By.Length > 0 ? $"by {seen.Origin.By} " : "")}{(seen.Origin.Proxy is { } proxy ? $"PROXY {proxy} " : "")}"
        + $"{(seen.Origin.ServerName is { } name ? $"TLS for {name} of {seen.Origin.Shown} " : "")}:{seen.Origin.End.Port} {VersionOf(seen)} {seen.Method} {seen.Target.TrimEnd()} {seen.Length} [{FieldsOf(seen.Fields)}]";

    private static string VersionOf(CaseSeen seen) => seen.Version switch
    {
        HttpProtocolVersion.Http2 => "HTTP/2",
        null => "bytes",
        _ => "HTTP/1.1",
    };

    private static string FieldsOf((string Name, string Value)[] fields) => CaseMove.AsRecorded(string.Join("; ", fields.Where(field => field.Name != CaseBackends.AskedBy)
        .Where(static field => field.Name != "traceparent" && !field.Name.StartsWith("x-b3-", StringComparison.Ordinal))
        .Select(field => field.Name == "set-cookie" ? (field.Name, Value: Cookie().Replace(field.Value, "=*")) : field)
        .Select(field => s_chance.Contains(field.Name) ? $"{field.Name}: *" : $"{field.Name}: {field.Value}").Order(StringComparer.Ordinal)));

    // An affinity cookie is another one for everybody.
    [GeneratedRegex("^=|(?<=^[^=;]+)=\"?[^;]*")]
    private static partial Regex Cookie();

    private static string NameOf(MeshSnapshot mesh, IPAddress address) =>
        mesh.Workloads.Values.FirstOrDefault(workload => workload.Addresses.Contains(address))?.Name ?? CaseNames.NameOf(address) ?? address.ToString();

    private static string ServiceOf(string pod) => pod.LastIndexOf('-') is > 0 and var dash ? pod[..dash] : pod;
}
