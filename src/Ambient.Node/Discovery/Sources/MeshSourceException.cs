using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Sources;

/// <summary>A mesh source cannot be started. The message is for whoever configured it.</summary>
public sealed class MeshSourceException : Exception
{
    /// <summary>Makes one with what is wrong.</summary>
    /// <param name="message">What is wrong and what to do.</param>
    public MeshSourceException(string message)
        : base(message)
    {
    }

    /// <summary>Makes one with what is wrong and what caused it.</summary>
    /// <param name="message">What is wrong and what to do.</param>
    /// <param name="innerException">Cause.</param>
    public MeshSourceException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Makes one from everything that is wrong in a configuration.</summary>
    /// <param name="message">What is wrong as a whole.</param>
    /// <param name="errors">Each thing that is wrong.</param>
    public MeshSourceException(string message, IReadOnlyList<ConfigurationError> errors)
        : base(string.Join(Environment.NewLine, [message, .. errors.Select(error => error.ToString())])) => Errors = errors;

    /// <summary>Each thing that is wrong in the configuration; empty when the source as a whole is at fault.</summary>
    public IReadOnlyList<ConfigurationError> Errors { get; } = [];
}
