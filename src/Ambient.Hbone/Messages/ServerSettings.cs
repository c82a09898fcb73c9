namespace Ambient.Hbone.Messages;

/// <summary>What all connections of a server share.</summary>
/// <param name="Handler">Answers requests.</param>
/// <param name="Options">Settings, checked.</param>
/// <param name="Time">Clock.</param>
internal sealed record ServerSettings(IMessageHandler Handler, MessageServerOptions Options, TimeProvider Time);
