namespace Ambient.Mesh;

/// <summary>A kind or field that the configuration has, and that is known and not acted on.</summary>
/// <param name="Kind">Kind.</param>
/// <param name="Field">Path of the field without indexes, with its value where only that is not supported; empty for the kind as a whole.</param>
/// <param name="Count">Objects that have it.</param>
/// <param name="FirstObject">The first of them, <c>namespace/name</c>.</param>
/// <param name="FirstPlace">Where that one was read; empty when it was not read from a file.</param>
public sealed record UnsupportedConfiguration(string Kind, string Field, int Count, string FirstObject, string FirstPlace);
