namespace Ambient.Hbone.Relaying;

/// <summary>How a relay ended, and the cause when it is a failure.</summary>
/// <param name="End">Which end.</param>
/// <param name="Error">Cause, or null.</param>
public readonly record struct RelayOutcome(RelayEnd End, Exception? Error);
