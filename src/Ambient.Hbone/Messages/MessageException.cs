namespace Ambient.Hbone.Messages;

/// <summary>A message that was broken off, and by what.</summary>
public sealed class MessageException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="fault">What broke it off.</param>
    /// <param name="message">For a person: which side, and what it did.</param>
    /// <param name="innerException">The failure beneath, or null.</param>
    public MessageException(MessageFault fault, string message, Exception? innerException = null)
        : base(message, innerException) => Fault = fault;

    /// <summary>What broke it off.</summary>
    public MessageFault Fault { get; }
}
