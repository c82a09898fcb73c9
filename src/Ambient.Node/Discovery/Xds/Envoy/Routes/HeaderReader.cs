using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>Changes to headers.</summary>
internal static class HeaderReader
{
    /// <summary>Reads changes; null: there are none. Values are texts: an operator of Envoy's in one is sent as it stands.</summary>
    public static HeaderModification? Read(IReadOnlyCollection<HeaderValueOption> added, IReadOnlyCollection<string> removed, ImmutableArray<string>.Builder unknown)
    {
        if (added.Count == 0 && removed.Count == 0)
        {
            return null;
        }

        var (set, add) = (ImmutableArray.CreateBuilder<NamedValue>(), ImmutableArray.CreateBuilder<NamedValue>());
        foreach (var option in added)
        {
            var header = new NamedValue(option.Header?.Key ?? "", option.Header?.Value ?? "");
            switch (option.AppendAction)
            {
                case HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExistsOrAdd:
                    set.Add(header);
                    break;
                case HeaderValueOption.Types.HeaderAppendAction.AppendIfExistsOrAdd:
                    add.Add(header);
                    break;
                default:
                    unknown.Add($"a change of the header {header.Name} that is not known");
                    break;
            }
        }

        return new HeaderModification { Remove = [.. removed], Set = set.ToImmutable(), Add = add.ToImmutable() };
    }
}
