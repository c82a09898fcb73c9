using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Ambient.Node.Discovery.Xds.Workloads;

namespace Ambient.Node.Admin.Envoy.Json;

/// <summary>
/// Writes messages in protobuf's JSON form with the field names of the definition, as Envoy's admin endpoint does. What the table has no name for is
/// not left out: its bytes stand below <c>@unknown</c> by field number, which readers of the form that pass over unknown names pass over too. Private keys and
/// passwords are never written.
/// </summary>
internal static class ProtoJson
{
    private const string TypePrefix = "type.googleapis.com/";
    private const string Redacted = "[redacted]";
    private const int Deepest = 100;

    /// <summary>Messages whose content is secret but for the fields that the table has.</summary>
    private const string Secret = "envoy.extensions.transport_sockets.tls.v3.Secret";
    private const string Certificate = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate";

    /// <summary>Writes a message as a JSON object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="type">Full name of its type.</param>
    /// <param name="message">The message.</param>
    public static void Write(Utf8JsonWriter json, string type, ReadOnlySpan<byte> message) => WriteMessage(json, type, message, 0);

    /// <summary>Writes a message as an object that has the name of its type in <c>@type</c>.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="url">The name with the prefix that it has in an <c>Any</c>.</param>
    /// <param name="message">The message.</param>
    public static void WriteAny(Utf8JsonWriter json, string url, ReadOnlySpan<byte> message) => WriteAny(json, url, message, 0);

    private static void WriteAny(Utf8JsonWriter json, string url, ReadOnlySpan<byte> message, int depth)
    {
        json.WriteStartObject();
        json.WriteString("@type", url);
        var type = url[(url.LastIndexOf('/') + 1)..];
        if (type.StartsWith("google.protobuf.", StringComparison.Ordinal))
        {
            json.WritePropertyName("value");
            WriteMessage(json, type, message, depth + 1);
        }
        else if (ProtoSchema.Envoy.Knows(type))
        {
            WriteFields(json, type, message, depth);
        }
        else if (!message.IsEmpty)
        {
            json.WriteBase64String("@undecoded", message);
        }

        json.WriteEndObject();
    }

    private static void WriteAny(Utf8JsonWriter json, ReadOnlySpan<byte> any, int depth)
    {
        List<WirePart> parts;
        try
        {
            parts = Read(any);
        }
        catch (InvalidDataException)
        {
            json.WriteStartObject();
            json.WriteBase64String("@undecoded", any);
            json.WriteEndObject();
            return;
        }

        WriteAny(json, Text(Last(parts, 1), any), Content(Last(parts, 2), any), depth + 1);
    }

    private static void WriteMessage(Utf8JsonWriter json, string type, ReadOnlySpan<byte> message, int depth)
    {
        if (type == "google.protobuf.Any")
        {
            WriteAny(json, message, depth);
            return;
        }

        if (type.StartsWith("google.protobuf.", StringComparison.Ordinal) && WellKnownJson.TryWrite(json, type, message, depth))
        {
            return;
        }

        json.WriteStartObject();
        WriteFields(json, type, message, depth);
        json.WriteEndObject();
    }

    private static void WriteFields(Utf8JsonWriter json, string type, ReadOnlySpan<byte> message, int depth)
    {
        if (!TryRead(message, depth, out var parts))
        {
            json.WriteBase64String("@undecoded", IsSecret(type) ? Encoding.ASCII.GetBytes(Redacted) : message);
            return;
        }

        var fields = ProtoSchema.Envoy.Fields(type);
        var unknown = new List<WirePart>();
        foreach (var number in parts.Select(part => part.Number).Distinct().ToArray())
        {
            var own = parts.FindAll(part => part.Number == number);
            if (!fields.TryGetValue(number, out var field))
            {
                unknown.AddRange(own);
                continue;
            }

            var fitting = own.FindAll(part => Fits(field, part));
            unknown.AddRange(own.Except(fitting));
            if (fitting.Count > 0)
            {
                json.WritePropertyName(field.Name);
                WriteField(json, type, field, fitting, message, depth);
            }
        }

        WriteUnknown(json, type, unknown, message);
    }

    private static void WriteField(Utf8JsonWriter json, string type, ProtoField field, List<WirePart> parts, ReadOnlySpan<byte> message, int depth)
    {
        if (type == Certificate && field.Name == "private_key")
        {
            json.WriteStartObject();
            json.WriteBase64String("inline_bytes", Encoding.ASCII.GetBytes(Redacted));
            json.WriteEndObject();
        }
        else if (field.IsMap)
        {
            WriteMap(json, field, parts, message, depth);
        }
        else if (field.IsRepeated)
        {
            json.WriteStartArray();
            foreach (var part in parts)
            {
                if (part.IsContent && IsNumber(field.Type))
                {
                    foreach (var value in Packed(Content(part, message)))
                    {
                        WriteNumber(json, field.Type, value, 0);
                    }
                }
                else
                {
                    WriteValue(json, field.Type, part, message, depth);
                }
            }

            json.WriteEndArray();
        }
        else if (parts.Count > 1 && parts[0].IsContent && field.Type is not ("string" or "bytes"))
        {
            // A message in pieces is one message (Encoding, "last one wins").
            var whole = new List<byte>();
            foreach (var part in parts)
            {
                whole.AddRange(Content(part, message));
            }

            WriteMessage(json, field.Type, CollectionsMarshal.AsSpan(whole), depth + 1);
        }
        else
        {
            WriteValue(json, field.Type, parts[^1], message, depth);
        }
    }

    private static void WriteMap(Utf8JsonWriter json, ProtoField field, List<WirePart> parts, ReadOnlySpan<byte> message, int depth)
    {
        json.WriteStartObject();
        var entries = new Dictionary<string, (int Start, int Length)>(StringComparer.Ordinal);
        foreach (var part in parts)
        {
            try
            {
                entries[Text(Last(Read(Content(part, message)), 1), Content(part, message))] = (part.Start, part.Length);
            }
            catch (InvalidDataException)
            {
                entries[$"@undecoded-{part.Start}"] = (part.Start, 0);
            }
        }

        foreach (var (key, (start, length)) in entries)
        {
            json.WritePropertyName(key);
            var entry = message.Slice(start, length);
            if (Last(Read(entry), 2) is { } value && (value.IsContent || IsNumber(field.Type)))
            {
                WriteValue(json, field.Type, value, entry, depth);
            }
            else if (field.Type is "string" or "bytes")
            {
                json.WriteStringValue("");
            }
            else
            {
                WriteMessage(json, field.Type, default, depth + 1);
            }
        }

        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, string type, WirePart part, ReadOnlySpan<byte> message, int depth)
    {
        switch (type)
        {
            case "string":
                json.WriteStringValue(Text(part, message));
                break;
            case "bytes":
                json.WriteBase64StringValue(Content(part, message));
                break;
            case var number when IsNumber(number):
                WriteNumber(json, type, part.Value, part.Bits);
                break;
            default:
                WriteMessage(json, type, Content(part, message), depth + 1);
                break;
        }
    }

    private static void WriteNumber(Utf8JsonWriter json, string type, ulong value, ulong bits)
    {
        switch (type)
        {
            case "bool":
                json.WriteBooleanValue(value != 0);
                break;
            case "double":
                WellKnownJson.WriteDouble(json, BitConverter.UInt64BitsToDouble(bits));
                break;
            case "uint32":
                json.WriteNumberValue((uint)value);
                break;
            case "int32":
                json.WriteNumberValue((int)value);
                break;
            case "int64":
                json.WriteStringValue(((long)value).ToString(System.Globalization.CultureInfo.InvariantCulture));
                break;
            case "uint64":
                json.WriteStringValue(value.ToString(System.Globalization.CultureInfo.InvariantCulture));
                break;
            default:
                if (ProtoSchema.Envoy.NameOf(type, (int)value) is { } name)
                {
                    json.WriteStringValue(name);
                }
                else
                {
                    json.WriteNumberValue((int)value);
                }

                break;
        }
    }

    private static void WriteUnknown(Utf8JsonWriter json, string type, List<WirePart> unknown, ReadOnlySpan<byte> message)
    {
        if (unknown.Count == 0)
        {
            return;
        }

        json.WriteStartObject("@unknown");
        foreach (var group in unknown.GroupBy(part => part.Number))
        {
            json.WriteStartArray(group.Key.ToString(System.Globalization.CultureInfo.InvariantCulture));
            foreach (var part in group)
            {
                if (IsSecret(type))
                {
                    json.WriteStringValue(Redacted);
                }
                else if (part.IsContent)
                {
                    json.WriteBase64StringValue(Content(part, message));
                }
                else
                {
                    json.WriteStringValue((part.IsNumber ? part.Value : part.Bits).ToString(System.Globalization.CultureInfo.InvariantCulture));
                }
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static bool IsSecret(string type) => type is Secret or Certificate;

    private static bool IsNumber(string type) => type is "bool" or "double" or "uint32" or "int32" or "int64" or "uint64" || ProtoSchema.Envoy.IsEnum(type);

    /// <summary>Whether what is on the wire can be of a field's type.</summary>
    private static bool Fits(ProtoField field, WirePart part) => field.Type == "double" && !field.IsMap ? !part.IsContent && !part.IsNumber
        : IsNumber(field.Type) && !field.IsMap ? part.IsNumber || (field.IsRepeated && part.IsContent)
        : part.IsContent;

    private static List<ulong> Packed(ReadOnlySpan<byte> content)
    {
        var values = new List<ulong>();
        for (var (value, shift) = (0UL, 0); !content.IsEmpty; content = content[1..])
        {
            value |= shift < 64 ? (ulong)(content[0] & 0x7f) << shift : 0;
            shift += 7;
            if (content[0] < 0x80)
            {
                values.Add(value);
                (value, shift) = (0, 0);
            }
        }

        return values;
    }

    /// <summary>The fields of a message.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    internal static List<WirePart> Read(ReadOnlySpan<byte> message)
    {
        var parts = new List<WirePart>();
        var fields = new WireFields(message);
        while (fields.MoveNext())
        {
            var length = fields.IsText ? fields.Content.Length : 0;
            parts.Add(new WirePart(fields.Number, fields.IsText, fields.IsNumber, fields.Value, fields.Bits, fields.Position - length, length));
        }

        return parts;
    }

    /// <summary>The fields of a message. False: it is none, or nested deeper than is looked at.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> message, int depth, out List<WirePart> parts)
    {
        parts = [];
        if (depth > Deepest)
        {
            return false;
        }

        try
        {
            parts = Read(message);
            return true;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    /// <summary>The last field of a number; null: there is none.</summary>
    internal static WirePart? Last(List<WirePart> parts, int number) => parts.FindLastIndex(part => part.Number == number) is >= 0 and var at ? parts[at] : null;

    /// <summary>Content of a field; empty for none, and for a number.</summary>
    internal static ReadOnlySpan<byte> Content(WirePart? part, ReadOnlySpan<byte> message) => part is { } some ? message.Slice(some.Start, some.Length) : default;

    private static string Text(WirePart? part, ReadOnlySpan<byte> message) => Encoding.UTF8.GetString(Content(part, message));

    /// <summary>Where a field lies.</summary>
    internal readonly record struct WirePart(int Number, bool IsContent, bool IsNumber, ulong Value, ulong Bits, int Start, int Length);
}
