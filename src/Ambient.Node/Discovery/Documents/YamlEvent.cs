namespace Ambient.Node.Discovery.Documents;

/// <summary>What a step of reading YAML met.</summary>
internal enum YamlEventKind
{
    StreamStart,
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    MappingStart,
    MappingEnd,
    SequenceStart,
    SequenceEnd,
    Scalar,
    Alias,
}

/// <summary>A step of reading YAML.</summary>
/// <param name="Kind">What was met.</param>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
/// <param name="Text">A scalar's text, or the name that an alias names.</param>
/// <param name="IsPlain">Whether a scalar stands without quotes.</param>
/// <param name="Tag">Tag as written, or null.</param>
/// <param name="Anchor">Anchor, or null.</param>
internal readonly record struct YamlEvent(YamlEventKind Kind, int Line, int Column, string Text = "", bool IsPlain = false, string? Tag = null, string? Anchor = null);
