using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads and validates RequestAuthentications. What stands in a key set is not looked at here: one that cannot be used is that issuer's trouble alone
///, and not a reason to refuse the folder.
/// </summary>
internal static class RequestAuthenticationReader
{
    private const int MaxRules = 4096;

    private static readonly SearchValues<char> s_digits = SearchValues.Create("0123456789.");

    // Names that frame a message or say where it goes: no claim may write them.
    private static readonly string[] s_reserved =
    [
        "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "proxy-connection", "http2-settings", "x-forwarded-client-cert",
    ];

    public static RequestAuthenticationObject ReadRequestAuthentication(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var rules = spec.Objects("jwtRules").Select(ReadRule).ToImmutableArray();
        if (rules.Length > MaxRules)
        {
            spec.Error("jwtRules", $"{rules.Length} rules; at most {MaxRules} are allowed");
        }

        return new RequestAuthenticationObject(meta, new RequestAuthentication
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Targets = PolicyTargets.Read(meta, spec),
            Selector = PolicySelectors.Read(spec)?.ToImmutableDictionary(StringComparer.Ordinal),
            Rules = rules,
        });
    }

    private static JwtRule ReadRule(FieldReader rule)
    {
        var read = new JwtRule
        {
            Issuer = rule.RequiredString("issuer"),
            Audiences = Texts(rule, "audiences"),
            Jwks = rule.String("jwks") is { Length: > 0 } jwks ? jwks : null,
            JwksUri = ReadUri(rule, "jwksUri") ?? ReadUri(rule, "jwks_uri"),
            ForwardOriginalToken = rule.Boolean("forwardOriginalToken") ?? false,
            OutputPayloadToHeader = rule.String("outputPayloadToHeader") is { Length: > 0 } header ? Header(rule, "outputPayloadToHeader", header) : null,
            OutputClaimToHeaders = [.. rule.Objects("outputClaimToHeaders").Select(ReadOutput)],
            Timeout = ReadTimeout(rule) ?? TimeSpan.FromSeconds(5),
            SpaceDelimitedClaims = Texts(rule, "spaceDelimitedClaims"),
        };
        return ReadLocations(rule) is { Length: > 0 } locations ? read with { Locations = locations } : read;
    }

    private static ImmutableArray<TokenLocation> ReadLocations(FieldReader rule) =>
    [
        .. rule.Objects("fromHeaders").Select(header => new TokenLocation(TokenPart.Header, HeaderName(header, "name"), header.String("prefix") ?? "")),
        .. Texts(rule, "fromParams").Select(name => new TokenLocation(TokenPart.Parameter, name)),
        .. Texts(rule, "fromCookies").Select(name => new TokenLocation(TokenPart.Cookie, name)),
    ];

    private static ClaimHeader ReadOutput(FieldReader output)
    {
        var header = output.RequiredString("header");
        return new ClaimHeader(header.Length > 0 ? Header(output, "header", header) : "", output.RequiredString("claim"));
    }

    private static string Header(FieldReader fields, string field, string name)
    {
        if (!name.All(HttpSyntax.IsToken))
        {
            fields.Error(field, $"\"{name}\" is not a name that a header may have");
        }
        else if (s_reserved.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            fields.Error(field, $"\"{name}\" is not a header that a claim may be written to");
        }

        return name;
    }

    private static string HeaderName(FieldReader fields, string field)
    {
        var name = fields.RequiredString(field);
        if (!name.All(HttpSyntax.IsToken))
        {
            fields.Error(field, $"\"{name}\" is not a name that a header may have");
        }

        return name;
    }

    private static ImmutableArray<string> Texts(FieldReader fields, string field)
    {
        var values = fields.Strings(field);
        for (var i = 0; i < values.Count; i++)
        {
            if (values[i].Length == 0)
            {
                fields.Error(field, i, "empty");
            }
        }

        return [.. values];
    }

    private static string? ReadUri(FieldReader rule, string field)
    {
        if (rule.String(field) is not { Length: > 0 } text)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri is not { Scheme: "https" or "http", Host.Length: > 0 } || uri.UserInfo.Length > 0)
        {
            rule.Error(field, $"\"{text}\" is not a URL of keys; expected https://host/path or http://host/path");
        }

        return text;
    }

    private static TimeSpan? ReadTimeout(FieldReader rule)
    {
        if (rule.String("timeout") is not { Length: > 0 } text)
        {
            return null;
        }

        if (Duration(text) is not { } timeout || timeout < TimeSpan.FromMilliseconds(1) || timeout > TimeSpan.FromHours(1))
        {
            rule.Error("timeout", $"\"{text}\" is not a time from 1ms to 1h; expected a form like 5s or 500ms");
            return null;
        }

        return timeout;
    }

    /// <summary>Numbers with units, one after the other, as Go writes times: <c>1m30s</c>, <c>0.5s</c>. Null: it is none.</summary>
    private static TimeSpan? Duration(ReadOnlySpan<char> text)
    {
        var total = 0m;
        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExcept(s_digits);
            if (digits <= 0 || digits > 12 || !decimal.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return null;
            }

            text = text[digits..];
            var (unit, seconds) = text.StartsWith("ms", StringComparison.Ordinal) ? (2, 0.001m)
                : text.StartsWith("us", StringComparison.Ordinal) ? (2, 0.000001m)
                : text.StartsWith("ns", StringComparison.Ordinal) ? (2, 0.000000001m)
                : text[0] == 'h' ? (1, 3600m)
                : text[0] == 'm' ? (1, 60m)
                : text[0] == 's' ? (1, 1m)
                : (0, 0m);
            if (unit == 0)
            {
                return null;
            }

            total += number * seconds;
            text = text[unit..];
        }

        return total < 1_000_000 ? TimeSpan.FromSeconds((double)total) : null;
    }
}
