using System.Globalization;
using System.Text.Json;
using Ambient.Node.Admin.Envoy.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Diagnostics.Envoy;

/// <summary>The way back: bytes of a message from its JSON, for recordings that have no bytes. Names that the table does not have are passed over.</summary>
internal static class ProtoEncoder
{
    public static ByteString Encode(string type, JsonElement json)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            var numbers = ProtoSchema.Envoy.Fields(type).ToDictionary(field => field.Value.Name, field => field.Key);
            foreach (var property in json.EnumerateObject().Where(property => numbers.ContainsKey(property.Name)))
            {
                var number = numbers[property.Name];
                var field = ProtoSchema.Envoy.Fields(type)[number];
                if (field.IsMap)
                {
                    foreach (var entry in property.Value.EnumerateObject())
                    {
                        WriteContent(output, number, Entry(entry.Name, field.Type, entry.Value));
                    }
                }
                else if (field.IsRepeated)
                {
                    foreach (var item in property.Value.EnumerateArray())
                    {
                        Write(output, number, field.Type, item);
                    }
                }
                else
                {
                    Write(output, number, field.Type, property.Value);
                }
            }
        }

        return ByteString.CopyFrom(buffer.ToArray());
    }

    private static ByteString Entry(string key, string type, JsonElement value)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            WriteContent(output, 1, ByteString.CopyFromUtf8(key));
            Write(output, 2, type, value);
        }

        return ByteString.CopyFrom(buffer.ToArray());
    }

    private static void Write(CodedOutputStream output, int number, string type, JsonElement value)
    {
        switch (type)
        {
            case "string":
                WriteContent(output, number, ByteString.CopyFromUtf8(value.GetString()!));
                break;
            case "bytes":
                WriteContent(output, number, ByteString.CopyFrom(value.GetBytesFromBase64()));
                break;
            case "double":
                output.WriteTag(number, WireFormat.WireType.Fixed64);
                output.WriteDouble(value.GetDouble());
                break;
            case "bool" or "uint32" or "int32" or "int64" or "uint64":
                output.WriteTag(number, WireFormat.WireType.Varint);
                output.WriteInt64(Number(value));
                break;
            case var name when ProtoSchema.Envoy.IsEnum(name):
                output.WriteTag(number, WireFormat.WireType.Varint);
                output.WriteInt64(Enumerable.Range(0, 1000).First(candidate => ProtoSchema.Envoy.NameOf(name, candidate) == value.GetString()));
                break;
            default:
                WriteContent(output, number, Message(type, value));
                break;
        }
    }

    private static long Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.String => long.Parse(value.GetString()!, CultureInfo.InvariantCulture),
        _ => value.GetInt64(),
    };

    private static ByteString Message(string type, JsonElement value) => type switch
    {
        "google.protobuf.Any" => Any(value).ToByteString(),
        "google.protobuf.Struct" => JsonParser.Default.Parse<Struct>(value.GetRawText()).ToByteString(),
        "google.protobuf.Duration" => JsonParser.Default.Parse<Duration>(value.GetRawText()).ToByteString(),
        "google.protobuf.BoolValue" => new BoolValue { Value = value.GetBoolean() }.ToByteString(),
        "google.protobuf.UInt32Value" => new UInt32Value { Value = value.GetUInt32() }.ToByteString(),
        "google.protobuf.UInt64Value" => new UInt64Value { Value = (ulong)Number(value) }.ToByteString(),
        "google.protobuf.StringValue" => new StringValue { Value = value.GetString() }.ToByteString(),
        _ => Encode(type, value),
    };

    private static Any Any(JsonElement value)
    {
        var url = value.GetProperty("@type").GetString()!;
        var type = url[(url.LastIndexOf('/') + 1)..];
        return new Any { TypeUrl = url, Value = type.StartsWith("google.protobuf.", StringComparison.Ordinal) ? Message(type, value.GetProperty("value")) : Encode(type, value) };
    }

    private static void WriteContent(CodedOutputStream output, int number, ByteString content)
    {
        output.WriteTag(number, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(content);
    }
}
