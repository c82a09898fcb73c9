using System.Globalization;
using System.Net;

namespace Ambient.Node.Hosting.Variables;

/// <summary>
/// Reads a host's settings from environment variables. Every variable is declared where it is read: name, default and meaning
/// in one place, from which <c>--help</c> is made too. A value that cannot be understood is an error that names the variable; all
/// errors are collected, so that one start shows them all.
/// </summary>
internal sealed class VariableReader(IReadOnlyDictionary<string, string> environment)
{
    private readonly Dictionary<string, string> _defaults = new(StringComparer.Ordinal);
    private readonly List<Variable> _declared = [];
    private readonly List<string> _errors = [];
    private readonly List<string> _notices = [];

    /// <summary>The command line, for proxies that are given settings there: <c>proxy waypoint --domain ...</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Variables in the order they were read.</summary>
    public IReadOnlyList<Variable> Declared => _declared;

    /// <summary>What is wrong, one message a variable.</summary>
    public IReadOnlyList<string> Errors => _errors;

    /// <summary>What an operator should know once: settings that are accepted and have no effect yet, or a price.</summary>
    public IReadOnlyList<string> Notices => _notices;

    /// <summary>Whether this process runs in a pod of a Kubernetes cluster.</summary>
    public bool IsInCluster => environment.ContainsKey("KUBERNETES_SERVICE_HOST");

    /// <summary>The variables of this process.</summary>
    public static Dictionary<string, string> OfProcess()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        return variables;
    }

    /// <summary>Gives a variable a value for when it is not set; the last one counts.</summary>
    public void Default(string name, string value) => _defaults[name] = value;

    /// <summary>The value of a variable that is declared elsewhere; null when it is not set.</summary>
    public string? Value(string name) => Raw(name);

    /// <summary>A number that has no variable of its own, but may have been given a value by <see cref="Default"/>.</summary>
    public int Number(string name, int byDefault) => _defaults.TryGetValue(name, out var value) ? int.Parse(value, CultureInfo.InvariantCulture) : byDefault;

    /// <summary>Whether a variable is set to something.</summary>
    public bool IsSet(string name) => Raw(name) is { Length: > 0 };

    /// <summary>Adds an error that is about more than one variable.</summary>
    public void Fail(string error) => _errors.Add(error);

    /// <summary>Adds what an operator should know.</summary>
    public void Note(string notice) => _notices.Add(notice);

    /// <summary>A text, or the default when the variable is not set. Set and empty is empty.</summary>
    public string? Text(string name, string? byDefault, string meaning)
    {
        _declared.Add(new Variable(name, byDefault ?? "", meaning));
        return Raw(name) ?? byDefault;
    }

    /// <summary>A text where empty means not set.</summary>
    public string? OptionalText(string name, string meaning) => Text(name, null, meaning) is { Length: > 0 } text ? text : null;

    /// <summary><c>true</c> or <c>false</c>.</summary>
    public bool Boolean(string name, bool byDefault, string meaning) => OptionalBoolean(name, byDefault ? "true" : "false", meaning) ?? byDefault;

    /// <summary><c>true</c>, <c>false</c>, or not set.</summary>
    public bool? OptionalBoolean(string name, string shownDefault, string meaning)
    {
        _declared.Add(new Variable(name, shownDefault, meaning));
        switch (Raw(name))
        {
            case null or "":
                return null;
            case var text when bool.TryParse(text, out var value):
                return value;
            case var text:
                _errors.Add($"{name}: {Show(text)} is neither true nor false");
                return null;
        }
    }

    /// <summary>A whole number within bounds.</summary>
    public int Integer(string name, int byDefault, int min, int max, string meaning)
    {
        _declared.Add(new Variable(name, byDefault.ToString(CultureInfo.InvariantCulture), meaning));
        return ReadInteger(name, min, max) ?? byDefault;
    }

    /// <summary>A whole number within bounds, or not set.</summary>
    public int? OptionalInteger(string name, int min, int max, string shownDefault, string meaning)
    {
        _declared.Add(new Variable(name, shownDefault, meaning));
        return ReadInteger(name, min, max);
    }

    /// <summary>A duration such as <c>5m</c>, <c>100ms</c> or <c>1h30m</c>.</summary>
    public TimeSpan Duration(string name, string byDefault, string meaning) =>
        OptionalDuration(name, byDefault, meaning) ?? DurationSyntax.Parse(byDefault);

    /// <summary>A duration, or not set.</summary>
    public TimeSpan? OptionalDuration(string name, string shownDefault, string meaning)
    {
        _declared.Add(new Variable(name, shownDefault, meaning));
        if (Raw(name) is not { Length: > 0 } text)
        {
            return null;
        }

        if (DurationSyntax.TryParse(text, out var value))
        {
            return value;
        }

        _errors.Add($"{name}: {Show(text)} is not a duration of at most 1000 days (for example 30s, 100ms, 5m, 24h)");
        return null;
    }

    /// <summary>One of a few words.</summary>
    public T Choice<T>(string name, string byDefault, string meaning, params ReadOnlySpan<(string Word, T Value)> choices)
    {
        _declared.Add(new Variable(name, byDefault, meaning));
        var text = Raw(name) is { Length: > 0 } set ? set : byDefault;
        foreach (var (word, value) in choices)
        {
            if (word.Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        var words = new List<string>();
        foreach (var (word, _) in choices)
        {
            words.Add(word);
        }

        _errors.Add($"{name}: {Show(text)} is not one of {string.Join(", ", words)}");
        return choices[0].Value;
    }

    /// <summary>An IP address.</summary>
    public IPAddress Address(string name, string byDefault, string meaning)
    {
        var text = Text(name, byDefault, meaning)!;
        if (IPAddress.TryParse(text, out var address))
        {
            return address;
        }

        _errors.Add($"{name}: {Show(text)} is not an IP address");
        return IPAddress.Parse(byDefault);
    }

    /// <summary>A switch that <c>true</c> turns on, and nothing else: other values are no errors, because the reference has them so.</summary>
    public bool Switch(string name, string meaning) => Text(name, "false", meaning) == "true";

    /// <summary>A switch of the reference that has no effect here yet: accepted, and said once when it is on.</summary>
    public void NotYet(string name, string meaning, string consequence)
    {
        if (Switch(name, meaning + " (accepted; not used yet)"))
        {
            _notices.Add($"{name} is set: {consequence}");
        }
    }

    /// <summary>A family of variables with a common beginning; the values by the rest of the name.</summary>
    public Dictionary<string, string> Prefixed(string prefix, string meaning)
    {
        _declared.Add(new Variable(prefix + "*", "", meaning));
        return _defaults.Where(pair => !environment.ContainsKey(pair.Key)).Concat(environment).Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && pair.Key.Length > prefix.Length)
            .ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value, StringComparer.Ordinal);
    }

    private int? ReadInteger(string name, int min, int max)
    {
        if (Raw(name) is not { Length: > 0 } text)
        {
            return null;
        }

        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }

        _errors.Add($"{name}: {Show(text)} is not a whole number from {min} to {max}");
        return null;
    }

    private string? Raw(string name) => environment.TryGetValue(name, out var value) || _defaults.TryGetValue(name, out value) ? value.Trim() : null;

    private static string Show(string text) => $"\"{(text.Length > 64 ? text[..64] + "..." : text)}\"";
}

/// <summary>One environment variable.</summary>
/// <param name="Name">Name.</param>
/// <param name="Default">Default as it would be written; empty when there is none.</param>
/// <param name="Meaning">What it does, in one line.</param>
internal sealed record Variable(string Name, string Default, string Meaning);
