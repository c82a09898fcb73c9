namespace Ambient.Hbone.Http2.Headers;

/// <summary>What the meaning of a response depends on in the request that it answers.</summary>
/// <param name="IsHead">Its method is HEAD, so the response has no body whatever it says.</param>
/// <param name="Upgrade">The protocol that it asks for; null: none.</param>
/// <param name="IsConnect">Its method is CONNECT, so a 2xx makes a tunnel.</param>
internal readonly record struct AnsweredRequest(bool IsHead, string? Upgrade, bool IsConnect);
