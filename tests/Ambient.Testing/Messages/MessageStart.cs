namespace Ambient.Testing.Messages;

/// <summary>The head of a message as it came: names in lower case, and a first line of HTTP/1.1 as the pseudo-headers that HTTP/2 has for it.</summary>
internal sealed record MessageStart(List<(string Name, string Value)> Fields)
{
    /// <summary>The value of a header, or of each of its lines; null: there is none.</summary>
    public string? this[string name]
    {
        get
        {
            var values = Fields.Where(field => field.Name == name).Select(field => field.Value).ToArray();
            return values.Length == 0 ? null : string.Join(" and ", values);
        }
    }
}
