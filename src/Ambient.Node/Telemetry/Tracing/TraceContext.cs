using System.Diagnostics;
using System.Globalization;
using Ambient.Http;

namespace Ambient.Node.Telemetry.Tracing;

/// <summary>Which forms a request's trace is written in.</summary>
[Flags]
internal enum TraceForms
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><c>traceparent</c> and <c>tracestate</c> (https://www.w3.org/TR/trace-context/).</summary>
    W3C = 1,

    /// <summary>One header <c>b3</c> (https://github.com/openzipkin/b3-propagation).</summary>
    B3Single = 2,

    /// <summary>The headers <c>x-b3-*</c>.</summary>
    B3Multi = 4,
}

/// <summary>The trace that a request belongs to, as its headers say.</summary>
/// <param name="TraceId">The trace; all zeros: the headers name none.</param>
/// <param name="SpanId">The span that sent the request.</param>
/// <param name="Sampled">Whether it is recorded; null: the sender leaves that to the next.</param>
/// <param name="IsDebug">Whether it is to be recorded whatever sampling says, as B3 has it.</param>
/// <param name="State">Value of <c>tracestate</c>, or null.</param>
/// <param name="Forms">Forms that it was found in.</param>
internal readonly record struct TraceContext(ActivityTraceId TraceId, ActivitySpanId SpanId, bool? Sampled, bool IsDebug, string? State, TraceForms Forms)
{
    private const string Parent = "traceparent";
    private const string TraceState = "tracestate";
    private const string Single = "b3";
    private const int MaxState = 512;

    /// <summary>Whether there is a trace to go on with.</summary>
    public bool IsTrace => TraceId != default;

    /// <summary>Reads what a request says: W3C goes before B3, one header before several. What is malformed is as if it were not there.</summary>
    public static TraceContext Read(HttpFields fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var forms = (fields.Contains(Parent) ? TraceForms.W3C : 0) | (fields.Contains(Single) ? TraceForms.B3Single : 0)
            | (fields.Contains("x-b3-traceid") || fields.Contains("x-b3-sampled") || fields.Contains("x-b3-flags") ? TraceForms.B3Multi : 0);
        if (forms == TraceForms.None)
        {
            return default;
        }

        var decision = default(TraceContext);
        if ((forms & TraceForms.W3C) != 0 && TryW3C(fields, out var context))
        {
            return context with { Forms = forms };
        }

        if ((forms & TraceForms.B3Single) != 0)
        {
            decision = OfSingle(fields.Get(Single)!);
        }

        if (!decision.IsTrace && (forms & TraceForms.B3Multi) != 0)
        {
            var multi = OfMulti(fields);
            decision = multi.IsTrace || decision.Sampled is null ? multi : decision;
        }

        return decision with { Forms = forms };
    }

    /// <summary>Writes the trace into a request, in W3C's form and in those of B3 that it was found in.</summary>
    /// <param name="fields">Headers of the request.</param>
    /// <param name="span">The span that sends it.</param>
    /// <param name="parent">The span before that, or null.</param>
    public void Write(HttpFields fields, ActivitySpanId span, ActivitySpanId? parent)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var (trace, id) = (TraceId.ToHexString(), span.ToHexString());
        var sampled = Sampled == true ? "1" : "0";
        fields.Set(Parent, $"00-{trace}-{id}-0{sampled}");
        if (State is null)
        {
            fields.Remove(TraceState);
        }

        if ((Forms & TraceForms.B3Single) != 0)
        {
            fields.Set(Single, $"{trace}-{id}-{(IsDebug ? "d" : sampled)}{(parent is { } before ? $"-{before.ToHexString()}" : "")}");
        }

        if ((Forms & TraceForms.B3Multi) != 0)
        {
            fields.Set("x-b3-traceid", trace);
            fields.Set("x-b3-spanid", id);
            if (parent is { } before)
            {
                fields.Set("x-b3-parentspanid", before.ToHexString());
            }
            else
            {
                fields.Remove("x-b3-parentspanid");
            }

            if (!IsDebug)
            {
                fields.Set("x-b3-sampled", sampled);
            }
        }
    }

    // Section 3.2.2: of a later version the first four parts are read, and more may follow.
    private static bool TryW3C(HttpFields fields, out TraceContext context)
    {
        context = default;
        var text = (fields.Get(Parent) ?? "").AsSpan().Trim();
        if (text.Length < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-' || !IsHex(text[..2]) || text.StartsWith("ff")
            || (text.Length > 55 && (text[55] != '-' || text.StartsWith("00")))
            || !TryTrace(text[3..35], out var trace) || !TrySpan(text[36..52], out var span) || !IsHex(text[53..55]))
        {
            return false;
        }

        var flags = byte.Parse(text[53..55], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        context = new TraceContext(trace, span, (flags & 1) != 0, false, StateOf(fields), TraceForms.W3C);
        return true;
    }

    // Section 3.3.1.5: at least 512 characters are passed on, and a longer one need not be.
    private static string? StateOf(HttpFields fields) => fields.Get(TraceState) is { Length: > 0 and <= MaxState } state ? state : null;

    private static TraceContext OfSingle(string text)
    {
        var parts = text.Split('-', 5);
        if (parts.Length == 1)
        {
            return parts[0] switch { "0" => new(default, default, false, false, null, 0), "1" or "d" => new(default, default, true, parts[0] == "d", null, 0), _ => default };
        }

        if (!TryB3Trace(parts[0], out var trace) || !TrySpan(parts[1], out var span))
        {
            return default;
        }

        var sampled = parts.Length > 2 ? parts[2] : "";
        return new TraceContext(trace, span, sampled switch { "0" => false, "1" or "d" => true, _ => null }, sampled == "d", null, 0);
    }

    private static TraceContext OfMulti(HttpFields fields)
    {
        var debug = fields.Get("x-b3-flags") == "1";
        bool? sampled = debug ? true : fields.Get("x-b3-sampled") switch { "1" or "true" => true, "0" or "false" => false, _ => null };
        return fields.Get("x-b3-traceid") is { } id && TryB3Trace(id, out var trace) && fields.Get("x-b3-spanid") is { } spanId && TrySpan(spanId, out var span)
            ? new TraceContext(trace, span, sampled, debug, null, 0)
            : new TraceContext(default, default, sampled, debug, null, 0);
    }

    // 64 bits are a trace as well; OpenTelemetry's have 128, the higher of them zero then.
    private static bool TryB3Trace(string text, out ActivityTraceId trace) => TryTrace(text.Length == 16 ? "0000000000000000" + text : text, out trace);

    private static bool TryTrace(ReadOnlySpan<char> text, out ActivityTraceId trace)
    {
        if (text.Length == 32 && IsHex(text) && text.ContainsAnyExcept('0'))
        {
            trace = ActivityTraceId.CreateFromString(text);
            return true;
        }

        trace = default;
        return false;
    }

    private static bool TrySpan(ReadOnlySpan<char> text, out ActivitySpanId span)
    {
        if (text.Length == 16 && IsHex(text) && text.ContainsAnyExcept('0'))
        {
            span = ActivitySpanId.CreateFromString(text);
            return true;
        }

        span = default;
        return false;
    }

    private static bool IsHex(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiHexDigitLower(c))
            {
                return false;
            }
        }

        return true;
    }
}
