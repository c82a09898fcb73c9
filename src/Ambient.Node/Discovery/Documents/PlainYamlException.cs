namespace Ambient.Node.Discovery.Documents;

/// <summary>The text is not within what <see cref="PlainYamlReader"/> understands; <see cref="YamlReader"/> has to judge it.</summary>
internal sealed class PlainYamlException : Exception
{
    /// <summary>Creates the exception.</summary>
    public PlainYamlException()
        : base("not within the part of YAML that is read line by line")
    {
    }
}
