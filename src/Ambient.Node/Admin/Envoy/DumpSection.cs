using System.Text.Json;

namespace Ambient.Node.Admin.Envoy;

/// <summary>One kind of configuration in a dump.</summary>
/// <param name="Type">Name of its message within <c>envoy.admin.v3</c>.</param>
/// <param name="Parts">Its fields.</param>
/// <param name="Version">Version of the whole; null: it has none.</param>
internal sealed record DumpSection(string Type, IReadOnlyList<DumpPart> Parts, string? Version = null);

/// <summary>A field of a section.</summary>
/// <param name="Field">Its name, which <c>mask</c> and <c>resource</c> go by.</param>
/// <param name="Element">Name of its message within that of the section; null: it is not repeated.</param>
/// <param name="Items">What is in it.</param>
internal sealed record DumpPart(string Field, string? Element, IReadOnlyList<DumpItem> Items);

/// <summary>An item of a dump.</summary>
/// <param name="Name">Its name, which <c>name_regex</c> goes by.</param>
/// <param name="Write">Writes its properties.</param>
internal sealed record DumpItem(string Name, Action<Utf8JsonWriter> Write);
