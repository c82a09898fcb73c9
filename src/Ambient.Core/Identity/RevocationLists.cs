using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>Certificates that are revoked, by one list or several. Immutable. What no list speaks of is not revoked, and a list does not age.</summary>
public sealed class RevocationLists
{
    private const int MostBytes = 32 * 1024 * 1024;
    private readonly ILookup<string, RevocationList> _lists;

    private RevocationLists(IEnumerable<RevocationList> lists)
    {
        _lists = lists.ToLookup(list => list.Issuer, StringComparer.Ordinal);
        Count = _lists.Sum(group => group.Sum(list => list.Count));
        Lists = _lists.Sum(group => group.Count());
    }

    /// <summary>Nothing is revoked.</summary>
    public static RevocationLists None { get; } = new([]);

    /// <summary>How many certificates are revoked.</summary>
    public int Count { get; }

    /// <summary>How many lists there are.</summary>
    public int Lists { get; }

    /// <summary>Reads a file's content: PEM with any number of lists, other kinds of blocks skipped, or one list in DER. Empty: nothing is revoked.</summary>
    /// <exception cref="FormatException">It is neither, or too large; the message says what is wrong.</exception>
    public static RevocationLists Parse(ReadOnlyMemory<byte> content)
    {
        if (content.Length > MostBytes)
        {
            throw new FormatException($"{content.Length} bytes; at most {MostBytes} are read");
        }

        var text = content.Span.TrimStart(" \t\r\n"u8);
        if (text.IsEmpty)
        {
            return None;
        }

        if (!text.StartsWith("-----BEGIN"u8))
        {
            return new RevocationLists([RevocationList.Read(content)]);
        }

        var lists = new List<RevocationList>();
        var rest = System.Text.Encoding.ASCII.GetString(text).AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label] is "X509 CRL")
            {
                lists.Add(RevocationList.Read(Convert.FromBase64String(rest[fields.Base64Data].ToString())));
            }

            rest = rest[fields.Location.End..];
        }

        return rest.Contains("-----BEGIN X509 CRL", StringComparison.Ordinal)
            ? throw new FormatException("a block of PEM that has no end, or is no base64")
            : new RevocationLists(lists);
    }

    /// <summary>The certificate of a verified path that is revoked: the peer's own, or an authority's between it and the root; null when none is.</summary>
    public X509Certificate2? FindRevoked(VerifiedPath path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Count == 0)
        {
            return null;
        }

        foreach (var link in path.Links)
        {
            foreach (var list in _lists[link.Issuer])
            {
                if (list.Contains(link.Serial) && list.IsSignedBy(link.Authority))
                {
                    return link.Certificate;
                }
            }
        }

        return null;
    }
}
