using System.Globalization;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>
/// Holds an object against the table of its kind: every field that is not there is an error, and so is every value of another
/// type. What is there and not supported is noted. What the values mean is for the kind's own reader.
/// </summary>
internal sealed class FieldCheck(ConfigurationErrors errors, UnsupportedUses unsupported)
{
    /// <summary>Fields of every object that nothing below looks into.</summary>
    private static readonly HashSet<string> s_common = new(StringComparer.Ordinal) { "apiVersion", "kind", "metadata", "status" };

    private static readonly string[] s_metadata = ["name", "namespace", "labels", "annotations"];

    private static readonly HashSet<string> s_otherMetadata = new(StringComparer.Ordinal)
    {
        "generateName", "uid", "selfLink", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields", "clusterName", "initializers",
    };

    private ObjectMeta? _meta;
    private bool _strict;
    private bool _noted;

    /// <summary>Checks one object.</summary>
    public void Check(YamlMapping document, KindSchema kind, bool strict, ObjectMeta meta)
    {
        (_meta, _strict, _noted) = (meta, strict, kind.Use == FieldUse.NotSupported);
        if (_noted)
        {
            unsupported.Add(kind.Name, "", meta);
        }

        foreach (var (key, value) in document.Entries)
        {
            if (!s_common.Contains(key.Value))
            {
                CheckField(key, value, kind.Fields, s_common, "", "");
            }
        }

        if (document.Find("metadata") is YamlMapping metadata)
        {
            CheckMetadata(metadata, "metadata");
        }
    }

    /// <summary>
    /// Of Kubernetes' own kinds metadata is passed over, except for a field that is nearly one of those that are read. Elsewhere it is read
    /// as strictly as the rest: a policy with "ns" for "namespace" would hold in another namespace than it was written for.
    /// </summary>
    private void CheckMetadata(YamlMapping metadata, string path)
    {
        foreach (var (key, _) in metadata.Entries)
        {
            if (s_metadata.Contains(key.Value) || s_otherMetadata.Contains(key.Value))
            {
                continue;
            }

            if (_strict)
            {
                errors.Add(key, $"{path}.{key.Value}", $"unknown field; expected one of {string.Join(", ", s_metadata)}{NearestWord.Hint(key.Value, s_metadata)}");
            }
            else if (NearestWord.Closest(key.Value, s_metadata) is { } near)
            {
                errors.Add(key, $"{path}.{key.Value}", $"unknown field; did you mean \"{near}\"?");
            }
        }
    }

    private void CheckFields(
        YamlMapping mapping, IReadOnlyDictionary<string, FieldSchema> fields, string path, string field)
    {
        foreach (var (key, value) in mapping.Entries)
        {
            CheckField(key, value, fields, null, path, field);
        }
    }

    private void CheckField(
        YamlScalar key, YamlNode value, IReadOnlyDictionary<string, FieldSchema> fields, IEnumerable<string>? others, string path, string field)
    {
        path = Join(path, key.Value);
        if (!fields.TryGetValue(key.Value, out var schema))
        {
            Unknown(key, fields, others ?? [], path);
            return;
        }

        if (value is YamlScalar { IsNull: true })
        {
            return; // says nothing
        }

        field = Join(field, schema.Name);
        var noted = _noted;
        if (schema.Use == FieldUse.NotSupported && !noted)
        {
            unsupported.Add(_meta!.Kind, field, _meta);
            _noted = true; // the field stands for what is below it
        }

        CheckValue(value, schema, schema.Containers, path, field);
        _noted = noted;
    }

    private void Unknown(YamlScalar key, IReadOnlyDictionary<string, FieldSchema> fields, IEnumerable<string> others, string path)
    {
        if (_strict)
        {
            // A field that is only known to have no effect is not worth hinting at.
            var known = fields.Values.Where(field => field is not { Use: FieldUse.NotSupported, Type: FieldType.Any })
                .Select(field => field.Name).Order(StringComparer.Ordinal).ToList();
            errors.Add(key, path, known.Count == 0
                ? $"unknown field; none is expected here{NearestWord.Hint(key.Value, others)}"
                : $"unknown field; expected one of {string.Join(", ", known)}{NearestWord.Hint(key.Value, known.Concat(others))}");
        }
        else if (NearestWord.Closest(key.Value, fields.Keys.Concat(others)) is { } near && (others.Contains(near) || fields[near].Use == FieldUse.Acted))
        {
            errors.Add(key, path, $"unknown field; did you mean \"{near}\"?");
        }
    }

    private void CheckValue(YamlNode value, FieldSchema schema, string containers, string path, string field)
    {
        if (containers.StartsWith("[]", StringComparison.Ordinal))
        {
            if (value is not YamlSequence list)
            {
                Expected("a list", value, path);
                return;
            }

            for (var i = 0; i < list.Items.Count; i++)
            {
                CheckValue(list.Items[i], schema, containers[2..], $"{path}[{i}]", field);
            }
        }
        else if (containers.StartsWith("{}", StringComparison.Ordinal))
        {
            if (value is not YamlMapping map)
            {
                Expected("an object", value, path);
                return;
            }

            foreach (var (key, item) in map.Entries)
            {
                if (item is not YamlScalar { IsNull: true })
                {
                    CheckValue(item, schema, containers[2..], Join(path, key.Value), field);
                }
            }
        }
        else
        {
            CheckScalar(value, schema, path, field);
        }
    }

    private void CheckScalar(YamlNode value, FieldSchema schema, string path, string field)
    {
        switch (schema.Type)
        {
            case FieldType.Object when value is YamlMapping mapping:
                if (schema.Fields.Count > 0 || _strict)
                {
                    CheckFields(mapping, schema.Fields, path, field);
                }

                break;
            case FieldType.Object:
                Expected("an object", value, path);
                break;
            case FieldType.String when IsString(value, path) && schema.Values is { } values:
                CheckKnown((YamlScalar)value, values, path, field);
                break;
            case FieldType.Integer when !IsWholeNumber(value):
                Expected("a whole number", value, path);
                break;
            case FieldType.Number when !IsNumber(value):
                Expected("a number", value, path);
                break;
            case FieldType.Boolean when value is not YamlScalar scalar || !YamlScalarType.TryBoolean(scalar, out _):
                Expected("true or false", value, path);
                break;
            case FieldType.IntegerOrString when !IsWholeNumber(value) && !(value is YamlScalar text && YamlScalarType.Of(text) == YamlScalarType.Kind.String):
                Expected("a whole number or a string", value, path);
                break;
        }
    }

    private void CheckKnown(YamlScalar value, FieldValues values, string path, string field)
    {
        if (values.IsNotSupported(value.Value))
        {
            if (!_noted)
            {
                unsupported.Add(_meta!.Kind, $"{field}: {value.Value}", _meta);
            }
        }
        else if (!values.Known.Contains(value.Value) && (values.IsClosed || IsMisspelt(value.Value, values)))
        {
            errors.Add(value, path, $"\"{value.Value}\" is not known; expected one of {string.Join(", ", values.All)}{NearestWord.Hint(value.Value, values.All)}");
        }
    }

    /// <summary>Whether a value of a field that takes others too is one of those named, misspelt. A digit makes it another word: HTTP3 is none of HTTP's.</summary>
    private static bool IsMisspelt(string value, FieldValues values) =>
        !value.AsSpan().ContainsAnyInRange('0', '9') && NearestWord.Closest(value, values.All) is not null;

    private bool IsString(YamlNode value, string path)
    {
        if (value is not YamlScalar scalar)
        {
            Expected("a string", value, path);
            return false;
        }

        if (YamlScalarType.Of(scalar) == YamlScalarType.Kind.String)
        {
            return true;
        }

        errors.Add(value, path, scalar.IsNull
            ? "expected a string, found null"
            : $"expected a string, found {scalar.Describe()}; write \"{scalar.Value}\" in quotes");
        return false;
    }

    private static bool IsWholeNumber(YamlNode value) =>
        value is YamlScalar scalar && YamlScalarType.TryInteger(scalar, out _);

    private static bool IsNumber(YamlNode value) =>
        IsWholeNumber(value) || (value is YamlScalar { IsPlain: true } scalar && double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out _));

    private void Expected(string what, YamlNode found, string path) => errors.Add(found, path, $"expected {what}, found {found.Describe()}");

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
