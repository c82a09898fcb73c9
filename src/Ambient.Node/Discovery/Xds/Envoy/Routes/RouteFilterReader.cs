using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>What a route says to filters of its chain: CORS and faults.</summary>
internal static class RouteFilterReader
{
    /// <summary>What browsers may do; null: nothing is said about it.</summary>
    public static CorsRule? ReadCors(ByteString bytes, ImmutableArray<string>.Builder unknown)
    {
        var wire = Strict.Read(CorsPolicy.Parser, bytes, out var isWhole);
        if (!isWhole)
        {
            unknown.Add("a field of CORS that is not known");
        }

        if (Texts.Parts(wire.FilterEnabled?.DefaultValue, TrafficMirror.All) == 0)
        {
            return null;
        }

        var origins = ImmutableArray.CreateBuilder<OriginMatch>();
        foreach (var origin in wire.AllowOriginStringMatch)
        {
            if (Origin(origin) is { } match)
            {
                origins.Add(match);
            }
            else
            {
                unknown.Add("a comparison of origins that is not known");
            }
        }

        return new CorsRule
        {
            AllowOrigins = origins.ToImmutable(),
            AllowMethods = List(wire.AllowMethods),
            AllowHeaders = List(wire.AllowHeaders),
            ExposeHeaders = List(wire.ExposeHeaders),
            MaxAge = int.TryParse(wire.MaxAge, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : null,
            AllowsCredentials = wire.AllowCredentials ?? false,
            ForwardsOtherPreflights = wire.ForwardNotMatchingPreflights ?? true,
        };
    }

    /// <summary>Faults; null: none.</summary>
    public static FaultRule? ReadFault(ByteString bytes, ImmutableArray<string>.Builder unknown)
    {
        var wire = Strict.Read(HttpFault.Parser, bytes, out var isWhole);
        if (!isWhole)
        {
            unknown.Add("a field of faults that is not known");
        }

        var (delay, abort) = (wire.Delay, wire.Abort);
        return delay is null && abort is null ? null : new FaultRule
        {
            Delay = delay?.FixedDelay?.ToTimeSpan() ?? TimeSpan.Zero,
            DelayPartsPerMillion = Texts.Parts(delay?.Percentage, 0),
            AbortStatus = abort?.ErrorTypeCase == FaultAbort.ErrorTypeOneofCase.HttpStatus ? (int)abort.HttpStatus : 0,
            AbortGrpcStatus = abort?.ErrorTypeCase == FaultAbort.ErrorTypeOneofCase.GrpcStatus ? (int)abort.GrpcStatus : null,
            AbortPartsPerMillion = Texts.Parts(abort?.Percentage, 0),
        };
    }

    private static OriginMatch? Origin(StringMatcher matcher) => matcher.MatchPatternCase switch
    {
        StringMatcher.MatchPatternOneofCase.Exact when matcher.Exact == "*" => new(OriginMatchKind.Any, ""),
        StringMatcher.MatchPatternOneofCase.Exact when !matcher.IgnoreCase => new(OriginMatchKind.Exact, matcher.Exact),
        StringMatcher.MatchPatternOneofCase.Prefix when !matcher.IgnoreCase => new(OriginMatchKind.Prefix, matcher.Prefix),
        _ => Texts.Match(matcher) is { Kind: TextMatchKind.RegularExpression } match ? new(OriginMatchKind.RegularExpression, match.Value) : null,
    };

    private static ImmutableArray<string> List(string text) => [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
}
