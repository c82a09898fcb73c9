namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A label set, rendered once: <c>name="value",name="value"</c>. Equal texts are the same series.</summary>
internal readonly record struct MetricLabels(string Text)
{
    /// <summary>No labels.</summary>
    public static MetricLabels None { get; } = new("");

    /// <summary>The series that takes what a registry has no room for.</summary>
    public static MetricLabels Overflow { get; } = new("overflow=\"true\"");

    /// <summary>Renders labels in the given order; values are escaped.</summary>
    public static MetricLabels Of(params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var text = Utf8TextBuilder.Rent();
        foreach (var (name, value) in labels)
        {
            Append(text, name, value);
        }

        var rendered = new MetricLabels(System.Text.Encoding.UTF8.GetString(text.Written));
        text.Return();
        return rendered;
    }

    /// <summary>Whether a label may be called so.</summary>
    public static bool IsName(string name) => name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_');

    /// <summary>Adds one label to a text under construction.</summary>
    public static void Append(Utf8TextBuilder text, string name, string value)
    {
        if (!text.Written.IsEmpty)
        {
            text.Append(","u8);
        }

        text.Append(name).Append("="u8).AppendQuoted(value);
    }

    /// <summary>Writes the labels in braces, or nothing when there are none.</summary>
    public void Write(Utf8TextBuilder text)
    {
        if (Text.Length > 0)
        {
            text.Append("{"u8).Append(Text).Append("}"u8);
        }
    }
}
