using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Extension = Ambient.Node.Protos.Envoy.Extension;

namespace Ambient.Node.Discovery.Xds.Envoy.Extensions;

/// <summary>A filter that comes by itself (ECDS), for the chains that name it.</summary>
/// <param name="Type">Type of its configuration.</param>
/// <param name="Value">Its configuration.</param>
internal sealed record EnvoyExtension(string Type, ByteString Value)
{
    /// <summary>Reads one. Code that would be run, and is not, is named here once, however many chains it is in.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    /// <exception cref="InvalidDataException">It calls itself otherwise, or says nothing.</exception>
    public static EnvoyExtension Read(string name, ReadOnlySpan<byte> bytes, Problems problems)
    {
        var wire = Strict.Read(Extension.Parser, bytes, out var isWhole);
        ResourceNames.Same(name, wire.Name);
        if (!isWhole || wire.TypedConfig is not { } config)
        {
            throw new InvalidDataException(isWhole ? "it has no configuration" : "it has a field that is not known");
        }

        if (IsCode(config.TypeUrl))
        {
            if (FailsOpen(config.Value))
            {
                problems.NoteIf(true, $"extension {name}", "its code is not run here; it is to be passed over where it cannot be");
            }
            else
            {
                problems.Add($"extension {name}", "its code is not run here, so the chains that it is in are closed");
            }
        }

        return new EnvoyExtension(config.TypeUrl, config.Value);
    }

    /// <summary>Whether a filter runs code of an operator's own.</summary>
    public static bool IsCode(string type) => type is EnvoyTypes.HttpWasm or EnvoyTypes.NetworkWasm;

    /// <summary>Whether such a filter is passed over where its code cannot be run. One that does not say so keeps everybody out then.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such filter.</exception>
    public static bool FailsOpen(ByteString code) => Wasm.Parser.ParseFrom(code).Config?.FailurePolicy == PluginConfig.Types.FailurePolicy.FailOpen;
}
