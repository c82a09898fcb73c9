namespace Ambient.Node.Admin.Envoy.Json;

/// <summary>A field of a message.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Type of its values: a scalar's name, or the name of a message or enum.</param>
/// <param name="IsRepeated">Whether it may occur more than once.</param>
/// <param name="IsMap">Whether it is a map from text to <paramref name="Type"/>.</param>
internal sealed record ProtoField(string Name, string Type, bool IsRepeated, bool IsMap);
