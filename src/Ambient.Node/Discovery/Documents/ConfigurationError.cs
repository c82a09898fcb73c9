namespace Ambient.Node.Discovery.Documents;

/// <summary>One thing that is wrong with a configuration, and where.</summary>
/// <param name="File">File that it stands in.</param>
/// <param name="Line">Line, from 1; 0 when it concerns the file as a whole.</param>
/// <param name="Column">Column, from 1; 0 when it concerns the file as a whole.</param>
/// <param name="Subject">Object, for example <c>AuthorizationPolicy default/viewer</c>; empty when none was understood.</param>
/// <param name="Field">Path of the field, for example <c>spec.rules[0].from[0].source</c>; empty for the object as a whole.</param>
/// <param name="Message">What is wrong, and what was expected.</param>
public sealed record ConfigurationError(string File, int Line, int Column, string Subject, string Field, string Message)
{
    /// <summary>The form <c>file:line:column: subject: field: message</c>, which editors and terminals turn into a link.</summary>
    public override string ToString()
    {
        var place = Line > 0 ? $"{File}:{Line}:{Column}" : File;
        var parts = new[] { place, Subject, Field, Message };
        return string.Join(": ", parts.Where(part => part.Length > 0));
    }
}
