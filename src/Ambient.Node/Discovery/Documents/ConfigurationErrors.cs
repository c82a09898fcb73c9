namespace Ambient.Node.Discovery.Documents;

/// <summary>Gathers everything that is wrong in one load, so that it can be mended in one go.</summary>
internal sealed class ConfigurationErrors
{
    /// <summary>How many are kept; a file of garbage must not become a log of garbage.</summary>
    private const int MaxKept = 200;

    private readonly List<ConfigurationError> _errors = [];
    private readonly HashSet<(string File, int Line, int Column, string Field)> _places = [];

    /// <summary>The errors found, at most 200 of them.</summary>
    public IReadOnlyList<ConfigurationError> Items => _errors;

    /// <summary>How many were found, kept or not.</summary>
    public int Count { get; private set; }

    /// <summary>File being read.</summary>
    public string File { get; set; } = "";

    /// <summary>Object being read.</summary>
    public string Subject { get; set; } = "";

    /// <summary>
    /// Adds an error at a node of the current file. Of several about one field at one place the first counts: what a field is comes
    /// before what it means.
    /// </summary>
    public void Add(YamlNode at, string field, string message)
    {
        if (_places.Count >= MaxKept || _places.Add((File, at.Line, at.Column, $"{Subject} {field}")))
        {
            Add(new ConfigurationError(File, at.Line, at.Column, Subject, field, message));
        }
    }

    /// <summary>Whether an error is noted about something below <paramref name="field"/> of the current object.</summary>
    public bool HasBelow(string field) => _errors.Exists(error =>
        error.File == File && error.Subject == Subject && error.Field.Length > field.Length
        && (error.Field[field.Length] is '.' or '[') && error.Field.StartsWith(field, StringComparison.Ordinal));

    /// <summary>Forgets what was found, before the same text is read again.</summary>
    public void Clear()
    {
        _errors.Clear();
        _places.Clear();
        (Count, Subject) = (0, "");
    }

    /// <summary>Adds everything that another gathering found.</summary>
    public void AddAll(ConfigurationErrors other)
    {
        foreach (var error in other.Items)
        {
            Add(error);
        }

        Count += other.Count - other.Items.Count;
    }

    /// <summary>Adds an error.</summary>
    public void Add(ConfigurationError error)
    {
        Count++;
        if (_errors.Count < MaxKept)
        {
            _errors.Add(error);
        }
    }
}
