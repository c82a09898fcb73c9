using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Text;
using Ambient.Identity;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// One structured line under construction. Plain: tabs between the parts, spaces between the fields, texts quoted. JSON: one
/// flat object. Absent and empty values are left out.
/// </summary>
internal readonly ref struct AccessLogLine
{
    private static readonly SearchValues<char> NeedsQuotes = SearchValues.Create(" \"\\\t\r\n");
    private static readonly SearchValues<byte> s_plain = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."u8);

    // Bytes that stand around a name at most. A line has twenty names, so each goes with what follows it where that is known.
    private const int NameAround = 4;

    private const int LongestNumber = 20;

    // Longer than any name, address or identity can be. Anything longer is made up, and logs are kept.
    private const int MaxText = 1024;

    private readonly bool _json;

    /// <summary>Begins a line in a rented builder.</summary>
    public AccessLogLine(Utf8TextBuilder text, LogFormat format, LogLevel level, DateTimeOffset time, string target, string message)
    {
        Text = text;
        _json = format == LogFormat.Json;
        if (_json)
        {
            text.Append("{\"level\":\""u8).Append(LogLevels.NameOf(level)).Append("\",\"time\":\""u8).Append(time)
                .Append("\",\"scope\":\""u8).Append(target).Append("\",\"message\":\""u8).Append(message).Append("\""u8);
        }
        else
        {
            text.Append(time);
            var begin = text.Written.Length;
            if (!text.TryRepeat(message, target, (int)level))
            {
                text.Append("\t"u8).Append(LogLevels.NameOf(level)).Append("\t"u8).Append(target).Append("\t"u8).Append(message).Append("\t"u8);
                text.Repeatable(message, target, (int)level, begin);
            }
        }
    }

    /// <summary>Begins a line to which others add time, level and target: the message and the fields, in the plain form.</summary>
    public AccessLogLine(Utf8TextBuilder text, string message)
    {
        Text = text;
        text.Append(message).Append("\t"u8);
    }

    /// <summary>The builder; whoever rented it returns it.</summary>
    public Utf8TextBuilder Text { get; }

    /// <summary>Adds fields that were written to an earlier line at the same place, as bytes: what <see cref="WrittenSince"/> gave then.</summary>
    public void Fields(ReadOnlySpan<byte> written) => Text.Append(written);

    /// <summary>Where the next field begins, for <see cref="WrittenSince"/>.</summary>
    public int Length => Text.Written.Length;

    /// <summary>The fields written since <paramref name="length"/>, for <see cref="Fields"/> of another line; until the line is changed.</summary>
    public ReadOnlySpan<byte> WrittenSince(int length) => Text.Written[length..];

    /// <summary>Adds who the connection is between.</summary>
    public void Parties(ConnectionParties parties)
    {
        var source = parties.SourceWorkload;
        var baggage = source is null ? parties.SourceBaggage : null;
        var told = parties.DestinationPeer?.Baggage;
        var destination = told is null ? parties.DestinationWorkload : null;
        Field("src.addr"u8, parties.Source);
        Field("src.workload"u8, source?.Name ?? baggage?.CanonicalName);
        Field("src.namespace"u8, source?.Namespace ?? baggage?.Namespace);
        Field("src.identity"u8, parties.SourceIdentity);
        Field("src.cluster"u8, source?.ClusterId ?? baggage?.ClusterId);
        Field("dst.addr"u8, parties.Destination);
        Address("dst.hbone_addr"u8, parties.HboneAddress);
        Field("dst.service"u8, parties.Service?.Hostname);
        Field("dst.workload"u8, destination?.Name ?? told?.CanonicalName);
        Field("dst.namespace"u8, destination?.Namespace ?? told?.Namespace);
        Field("dst.identity"u8, parties.DestinationPeer?.Identity ?? parties.DestinationIdentity);
        Field("dst.cluster"u8, destination?.ClusterId ?? told?.ClusterId);
        Field(parties.Direction);
    }

    /// <summary>Adds a text, of which at most 1,024 characters are written.</summary>
    public void Field(ReadOnlySpan<byte> name, string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return;
        }

        Name(name);
        if (value.Length > MaxText)
        {
            value = string.Concat(value.AsSpan(0, MaxText), "...");
        }

        if (_json)
        {
            Text.AppendJson(value);
        }
        else
        {
            Text.AppendQuoted(value);
        }
    }

    /// <summary>Adds a text of Latin-1, of which at most 1,024 characters are written.</summary>
    public void Field(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        // Ids and the like need no escaping, and no string either.
        if (value.IsEmpty || value.Length > MaxText || value.ContainsAnyExcept(s_plain))
        {
            Field(name, Encoding.Latin1.GetString(value));
            return;
        }

        var span = Text.GetSpan(name.Length + NameAround + value.Length + 2);
        var length = Name(name, span);
        span[length] = (byte)'"';
        value.CopyTo(span[(length + 1)..]);
        span[length + value.Length + 1] = (byte)'"';
        Text.Advance(length + value.Length + 2);
    }

    /// <summary>Adds an identity.</summary>
    public void Field(ReadOnlySpan<byte> name, SpiffeId? value) => Field(name, value?.ToString());

    /// <summary>Adds an address; not quoted in the plain form.</summary>
    public void Field(ReadOnlySpan<byte> name, IPEndPoint value)
    {
        Name(name);
        if (_json)
        {
            Text.Append("\""u8).Append(value).Append("\""u8);
        }
        else
        {
            Text.Append(value);
        }
    }

    /// <summary>Adds a number.</summary>
    public void Field(ReadOnlySpan<byte> name, long value)
    {
        var span = Text.GetSpan(name.Length + NameAround + LongestNumber);
        var length = Name(name, span);
        Utf8Formatter.TryFormat(value, span[length..], out var written);
        Text.Advance(length + written);
    }

    /// <summary>Adds the direction.</summary>
    public void Field(TrafficDirection direction) => Field("direction"u8, direction == TrafficDirection.Outbound ? "outbound" : "inbound");

    /// <summary>Adds a duration as <c>12ms</c>.</summary>
    public void Milliseconds(ReadOnlySpan<byte> name, long value)
    {
        var span = Text.GetSpan(name.Length + NameAround + LongestNumber + 4);
        var length = Name(name, span);
        span[length++] = (byte)'"';
        Utf8Formatter.TryFormat(value, span[length..], out var written);
        length += written;
        "ms\""u8.CopyTo(span[length..]);
        Text.Advance(length + 3);
    }

    /// <summary>Ends the line and shows it.</summary>
    public ReadOnlySpan<byte> End()
    {
        Text.Append(_json ? "}\n"u8 : "\n"u8);
        return Text.Written;
    }

    /// <summary>Adds a text that is an address or hostname with port, and came from a peer: unquoted where it is harmless.</summary>
    private void Address(ReadOnlySpan<byte> name, string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return;
        }

        if (_json || value.Length > MaxText || value.AsSpan().ContainsAny(NeedsQuotes))
        {
            Field(name, value);
            return;
        }

        Name(name);
        Text.AppendMessage(value);
    }

    private void Name(ReadOnlySpan<byte> name) => Text.Advance(Name(name, Text.GetSpan(name.Length + NameAround)));

    /// <summary>Writes a name with what stands around it.</summary>
    private int Name(ReadOnlySpan<byte> name, Span<byte> span)
    {
        if (_json)
        {
            ",\""u8.CopyTo(span);
            name.CopyTo(span[2..]);
            "\":"u8.CopyTo(span[(name.Length + 2)..]);
            return name.Length + NameAround;
        }

        // Only the first name follows a tab.
        var before = Text.Written[^1] == (byte)'\t' ? 0 : 1;
        span[0] = (byte)' ';
        name.CopyTo(span[before..]);
        span[before + name.Length] = (byte)'=';
        return before + name.Length + 1;
    }
}
