using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Ambient.Node.Admin.Envoy.Json;

/// <summary>The JSON of protobuf's own messages, which have forms of their own (ProtoJSON, "JSON options").</summary>
internal static class WellKnownJson
{
    /// <summary>Writes a message; false: it has no form of its own here, and nothing was written.</summary>
    public static bool TryWrite(Utf8JsonWriter json, string type, ReadOnlySpan<byte> message, int depth)
    {
        if (!ProtoJson.TryRead(message, depth, out var parts))
        {
            json.WriteNullValue();
            return true;
        }

        var value = ProtoJson.Last(parts, 1);
        switch (type["google.protobuf.".Length..])
        {
            case "BoolValue":
                json.WriteBooleanValue(value?.Value is > 0);
                return true;
            case "UInt32Value":
                json.WriteNumberValue((uint)(value?.Value ?? 0));
                return true;
            case "Int32Value":
                json.WriteNumberValue((int)(value?.Value ?? 0));
                return true;
            case "UInt64Value":
                json.WriteStringValue((value?.Value ?? 0).ToString(CultureInfo.InvariantCulture));
                return true;
            case "DoubleValue":
                WriteDouble(json, BitConverter.UInt64BitsToDouble(value?.Bits ?? 0));
                return true;
            case "StringValue":
                json.WriteStringValue(Encoding.UTF8.GetString(ProtoJson.Content(value, message)));
                return true;
            case "BytesValue":
                json.WriteBase64StringValue(ProtoJson.Content(value, message));
                return true;
            case "Duration":
                json.WriteStringValue(Duration((long)(value?.Value ?? 0), (int)(ProtoJson.Last(parts, 2)?.Value ?? 0)));
                return true;
            case "Empty":
                json.WriteStartObject();
                json.WriteEndObject();
                return true;
            case "Struct":
                WriteStruct(json, parts, message, depth);
                return true;
            case "ListValue":
                json.WriteStartArray();
                foreach (var part in parts.Where(part => part is { Number: 1, IsContent: true }))
                {
                    TryWrite(json, "google.protobuf.Value", ProtoJson.Content(part, message), depth + 1);
                }

                json.WriteEndArray();
                return true;
            case "Value":
                WriteValue(json, parts, message, depth);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Writes a number; those that JSON has none for by their names.</summary>
    public static void WriteDouble(Utf8JsonWriter json, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumberValue(value);
        }
        else
        {
            json.WriteStringValue(double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        }
    }

    /// <summary>Seconds with as many decimals as are needed of three, six or nine.</summary>
    private static string Duration(long seconds, int nanos)
    {
        var sign = seconds < 0 || nanos < 0 ? "-" : "";
        var (whole, parts) = (UInt128.CreateTruncating(Int128.Abs(seconds)), Math.Abs((long)nanos));
        var decimals = parts == 0 ? ""
            : parts % 1_000_000 == 0 ? string.Create(CultureInfo.InvariantCulture, $".{parts / 1_000_000:000}")
            : parts % 1_000 == 0 ? string.Create(CultureInfo.InvariantCulture, $".{parts / 1_000:000000}")
            : string.Create(CultureInfo.InvariantCulture, $".{parts:000000000}");
        return string.Create(CultureInfo.InvariantCulture, $"{sign}{whole}{decimals}s");
    }

    private static void WriteStruct(Utf8JsonWriter json, List<ProtoJson.WirePart> parts, ReadOnlySpan<byte> message, int depth)
    {
        json.WriteStartObject();
        var written = new HashSet<string>(StringComparer.Ordinal);
        for (var i = parts.Count - 1; i >= 0; i--)
        {
            if (parts[i] is not { Number: 1, IsContent: true } part)
            {
                continue;
            }

            var entry = ProtoJson.Content(part, message);
            List<ProtoJson.WirePart> pair;
            try
            {
                pair = ProtoJson.Read(entry);
            }
            catch (InvalidDataException)
            {
                continue;
            }

            // The last one counts.
            var key = Encoding.UTF8.GetString(ProtoJson.Content(ProtoJson.Last(pair, 1), entry));
            if (written.Add(key))
            {
                json.WritePropertyName(key);
                TryWrite(json, "google.protobuf.Value", ProtoJson.Content(ProtoJson.Last(pair, 2), entry), depth + 1);
            }
        }

        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, List<ProtoJson.WirePart> parts, ReadOnlySpan<byte> message, int depth)
    {
        if (parts.Count == 0)
        {
            json.WriteNullValue();
            return;
        }

        var kind = parts[^1];
        var content = ProtoJson.Content(kind, message);
        switch (kind.Number)
        {
            case 2 when !kind.IsContent && !kind.IsNumber:
                WriteDouble(json, BitConverter.UInt64BitsToDouble(kind.Bits));
                break;
            case 3 when kind.IsContent:
                json.WriteStringValue(Encoding.UTF8.GetString(content));
                break;
            case 4 when kind.IsNumber:
                json.WriteBooleanValue(kind.Value != 0);
                break;
            case 5 when kind.IsContent:
                TryWrite(json, "google.protobuf.Struct", content, depth + 1);
                break;
            case 6 when kind.IsContent:
                TryWrite(json, "google.protobuf.ListValue", content, depth + 1);
                break;
            default:
                json.WriteNullValue();
                break;
        }
    }
}
