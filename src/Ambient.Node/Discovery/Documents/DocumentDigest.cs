using System.Security.Cryptography;
using System.Text;

namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// What tells whether two objects say the same, whatever the order of their fields, their quotes and their comments. A
/// null field counts as absent, as does a status that says nothing, and what a cluster only keeps books with is left out.
/// </summary>
internal static class DocumentDigest
{
    /// <summary>The digest of an object.</summary>
    public static string Of(YamlMapping document)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, document, depth: 0, parent: "");
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void Add(IncrementalHash hash, YamlNode node, int depth, string parent)
    {
        switch (node)
        {
            case YamlScalar scalar:
                Add(hash, (char)('0' + (int)YamlScalarType.Of(scalar)), scalar.Value);
                break;
            case YamlSequence list:
                Add(hash, '[', "");
                foreach (var item in list.Items)
                {
                    Add(hash, item, depth + 1, "");
                }

                Add(hash, ']', "");
                break;
            case YamlMapping mapping:
                Add(hash, '{', "");
                foreach (var (key, value) in mapping.Entries.OrderBy(entry => entry.Key.Value, StringComparer.Ordinal))
                {
                    if (value is not YamlScalar { IsNull: true }
                        && !(depth == 0 && IsOutside(key.Value, value))
                        && !(depth == 1 && parent == "metadata" && IsBookkeeping(key.Value)))
                    {
                        Add(hash, ':', key.Value);
                        Add(hash, value, depth + 1, key.Value);
                    }
                }

                Add(hash, '}', "");
                break;
        }
    }

    /// <summary>
    /// What is not the object's own: its kind, which the items of a PodList do not repeat, the version that it was written in, and the empty status
    /// that tools leave behind.
    /// </summary>
    private static bool IsOutside(string field, YamlNode value) => field is "apiVersion" or "kind" || (field == "status" && EmptyValues.SayNothing(value));

    /// <summary>Fields of metadata that change with every copy; the namespace is part of the key, whether written or not.</summary>
    private static bool IsBookkeeping(string field) => field is "managedFields" or "resourceVersion" or "generation" or "selfLink" or "namespace";

    private static void Add(IncrementalHash hash, char what, string text)
    {
        // The length goes first: no two different trees may become the same bytes.
        hash.AppendData(Encoding.UTF8.GetBytes($"{what}{text.Length}:{text}"));
    }
}
