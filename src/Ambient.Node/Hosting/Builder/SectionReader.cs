using System.Globalization;
using System.Net;
using Ambient.Node.Hosting.Options;
using Microsoft.Extensions.Configuration;

namespace Ambient.Node.Hosting.Builder;

/// <summary>
/// Reads settings out of a section of the application's configuration. What cannot be read is noted and the setting left as it was, so that
/// all faults are told at once; so is every key that is not asked for.
/// </summary>
/// <param name="section">The section; null where the application has no configuration.</param>
internal sealed class SectionReader(IConfigurationSection? section)
{
    private readonly HashSet<string> _asked = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _faults = [];

    /// <summary>What is wrong, each with the key. Complete once every setting was asked for.</summary>
    public IReadOnlyList<string> Faults =>
    [
        .. _faults,
        .. section is null ? [] : section.GetChildren().Where(child => !_asked.Contains(child.Key))
            .Select(child => $"{child.Path}: there is no setting of this name; there are {string.Join(", ", _asked.Order(StringComparer.Ordinal))}"),
    ];

    public string? Text(string key, string? otherwise)
    {
        _asked.Add(key);
        return section?[key] ?? otherwise;
    }

    public int Integer(string key, int otherwise) => Read(key, otherwise, TryInteger, "a whole number");

    public int? OptionalInteger(string key, int? otherwise) => Read(key, otherwise, static (string text, out int? value) =>
    {
        var read = TryInteger(text, out var number);
        value = number;
        return read;
    }, "a whole number");

    public bool Boolean(string key, bool otherwise) => Read(key, otherwise, bool.TryParse, "true or false");

    public bool? OptionalBoolean(string key, bool? otherwise) => Read(key, otherwise, static (string text, out bool? value) =>
    {
        var read = bool.TryParse(text, out var truth);
        value = truth;
        return read;
    }, "true or false");

    public TimeSpan Duration(string key, TimeSpan otherwise) => Read(
        key, otherwise, static (string text, out TimeSpan value) => TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out value), "a time like 00:05:00");

    public IPAddress Address(string key, IPAddress otherwise) => Read<IPAddress>(key, otherwise, IPAddress.TryParse!, "an IP address");

    public IPEndPoint? EndPoint(string key, IPEndPoint? otherwise) => Read(
        key, otherwise, static (string text, out IPEndPoint? value) => IPEndPoint.TryParse(text, out value), "an IP address with a port");

    public IPNetwork Range(string key, IPNetwork otherwise) => Read(key, otherwise, IPNetwork.TryParse, "an IP range like 127.64.0.0/10");

    public TEnum Choice<TEnum>(string key, TEnum otherwise)
        where TEnum : struct, Enum => Read(
            key,
            otherwise,
            static (string text, out TEnum value) => Enum.TryParse(text, ignoreCase: true, out value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0]),
            string.Join(" or ", Enum.GetNames<TEnum>()));

    /// <summary>A workload, as a section of its own: <c>Namespace</c>, <c>Name</c> and <c>ServiceAccount</c>, all of them.</summary>
    public ProxyWorkload? Workload(string key, ProxyWorkload? otherwise)
    {
        _asked.Add(key);
        if (section?.GetSection(key) is not { } own || !own.Exists())
        {
            return otherwise;
        }

        var reader = new SectionReader(own);
        var (ns, name, account) = (reader.Text("Namespace", null), reader.Text("Name", null), reader.Text("ServiceAccount", null));
        _faults.AddRange(reader.Faults);
        if (ns is { Length: > 0 } && name is { Length: > 0 } && account is { Length: > 0 })
        {
            return new ProxyWorkload(ns, name, account);
        }

        _faults.Add($"{own.Path}: expected Namespace, Name and ServiceAccount");
        return otherwise;
    }

    private static bool TryInteger(string text, out int value) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    private T Read<T>(string key, T otherwise, TryParse<T> parse, string expected)
    {
        if (Text(key, null) is not { Length: > 0 } text)
        {
            return otherwise;
        }

        if (parse(text, out var value))
        {
            return value;
        }

        _faults.Add($"{section!.Path}:{key}: \"{text}\" is not {expected}");
        return otherwise;
    }

    private delegate bool TryParse<T>(string text, out T value);
}
