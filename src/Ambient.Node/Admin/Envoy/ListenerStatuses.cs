using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Ambient.Node.Admin.Envoy.Json;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary><c>/listeners</c>: name and address of each.</summary>
internal static class ListenerStatuses
{
    /// <summary>Answers a request: JSON where it asks for it, else text.</summary>
    public static AdminResponse Answer(EnvoyHost host, AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Parameter("format") == "json" ? new AdminResponse(200, "application/json", Json(host)) : AdminResponse.Text(200, Text(host));
    }

    private static ReadOnlyMemory<byte> Json(EnvoyHost host)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, IndentSize = 1 }))
        {
            json.WriteStartObject();
            json.WriteStartArray("listener_statuses");
            foreach (var (name, address, _, _) in StaticResources.Listeners(host))
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                StaticResources.WriteAddress(json, "local_address", address.Address.ToString(), address.Port);
                json.WriteEndObject();
            }

            foreach (var (name, address) in Received(host))
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WritePropertyName("local_address");
                ProtoJson.Write(json, "envoy.config.core.v3.Address", address.ToByteArray());
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    private static string Text(EnvoyHost host)
    {
        var text = new StringBuilder();
        foreach (var (name, address, _, _) in StaticResources.Listeners(host))
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}::{address}\n");
        }

        foreach (var (name, address) in Received(host))
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}::{(address.SocketAddress is { } socket ? $"{socket.Address}:{socket.PortValue}" : $"envoy://{name}/")}\n");
        }

        return text.ToString();
    }

    /// <summary>An internal listener's address is its name.</summary>
    private static IEnumerable<(string Name, Address Address)> Received(EnvoyHost host)
    {
        foreach (var resource in host.Received.Of(EnvoyTypes.Listener).Resources)
        {
            Address address;
            try
            {
                address = Listener.Parser.ParseFrom(resource.Bytes).Address ?? new Address { EnvoyInternalAddress = new InternalAddress { ServerListenerName = resource.Name } };
            }
            catch (Exception e) when (e is InvalidProtocolBufferException or InvalidOperationException)
            {
                continue;
            }

            yield return (resource.Name, address);
        }
    }
}
