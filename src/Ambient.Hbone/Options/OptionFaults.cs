namespace Ambient.Hbone.Options;

/// <summary>Collects what is wrong with an options object, so that its user learns of all of it at once.</summary>
internal sealed class OptionFaults(string type)
{
    /// <summary>The shortest span that a timer keeps.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(10);

    private List<string>? _faults;

    /// <summary>Notes a number that is out of range.</summary>
    public void Range(string name, long value, long least, long most)
    {
        if (value < least || value > most)
        {
            Add($"{name} is {value}; it must be from {least} to {most}");
        }
    }

    /// <summary>Notes a span of time that is out of range.</summary>
    public void Range(string name, TimeSpan value, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
        {
            Add($"{name} is {value}; it must be from {least} to {most}");
        }
    }

    /// <summary>Notes a value that must be given.</summary>
    public void Required(string name, object? value)
    {
        if (value is null)
        {
            Add($"{name} is null");
        }
    }

    /// <exception cref="ArgumentException">Something was noted.</exception>
    public void Throw()
    {
        if (_faults is not null)
        {
            throw new ArgumentException($"{type}: {string.Join("; ", _faults)}");
        }
    }

    private void Add(string fault) => (_faults ??= []).Add(fault);
}
