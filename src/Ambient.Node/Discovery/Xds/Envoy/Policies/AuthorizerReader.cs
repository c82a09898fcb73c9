using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>The external authorizer of a chain's CUSTOM policies.</summary>
internal static class AuthorizerReader
{
    private const string Rules = "envoy.filters.http.rbac";
    private const string NetworkRules = "envoy.filters.network.rbac";
    private const string MatchedPolicy = "istio_ext_authz_shadow_effective_policy_id";
    private const string CustomPrefix = "istio-ext-authz-";
    private const int MostBodyBytes = 16 * 1024 * 1024;

    /// <summary>Reads the filter; null: it cannot be built, and <paramref name="unknown"/> says why.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such filter.</exception>
    public static ExternalAuthorizer? Read(ByteString bytes, out string? unknown)
    {
        var wire = Strict.Read(HttpAuthorizer.Parser, bytes, out var isWhole);
        unknown = !isWhole ? "an external authorizer with a field that is not known"
            : wire.TransportApiVersion is not (0 or 2) ? "an external authorizer of another version of the API"
            : Provider(wire.FilterEnabledMetadata) is null ? "an external authorizer that is asked on other conditions than a CUSTOM policy's"
            : null;
        if (unknown is not null)
        {
            return null;
        }

        var cluster = wire.ServicesCase switch
        {
            HttpAuthorizer.ServicesOneofCase.GrpcService => wire.GrpcService.EnvoyGrpc?.ClusterName,
            HttpAuthorizer.ServicesOneofCase.HttpService => wire.HttpService.ServerUri?.Cluster,
            _ => null,
        };
        if (cluster is null || ClusterName.Parse(cluster) is not { } name)
        {
            unknown = $"an external authorizer at {cluster ?? "no place"}, which names no service";
            return null;
        }

        var (http, response) = (wire.HttpService, wire.HttpService?.AuthorizationResponse);
        var timeout = wire.GrpcService?.Timeout ?? http?.ServerUri?.Timeout;
        var authorizer = new ExternalAuthorizer
        {
            Name = Provider(wire.FilterEnabledMetadata)!,
            Protocol = http is null ? ExternalAuthorizerProtocol.Grpc : ExternalAuthorizerProtocol.Http,
            Hostname = name.Host,
            Port = name.Port,
            Timeout = timeout is not null && timeout.ToTimeSpan() > TimeSpan.Zero ? timeout.ToTimeSpan() : TimeSpan.FromSeconds(600),
            FailOpen = wire.FailureModeAllow,
            StatusOnError = wire.StatusOnError?.Code is >= 200 and <= 599 and var status ? status : 403,
            PathPrefix = http?.PathPrefix ?? "",
            AdditionalHeaders = [.. http?.AuthorizationRequest?.HeadersToAdd.Select(header => new NamedValue(header.Key, header.Value)) ?? []],
            Body = wire.WithRequestBody is { MaxRequestBytes: > 0 } body
                ? new CheckedBody((int)Math.Min(body.MaxRequestBytes, MostBodyBytes), body.AllowPartialMessage, body.PackAsBytes)
                : null,
        };
        if (Headers(wire.AllowedHeaders) is not { } told || Headers(response?.AllowedUpstreamHeaders) is not { } upstream
            || Headers(response?.AllowedClientHeaders) is not { } denied || Headers(response?.AllowedClientHeadersOnSuccess) is not { } allowed)
        {
            unknown = "an external authorizer with a list of headers that is not known";
            return null;
        }

        return authorizer with { RequestHeaders = told, HeadersToUpstreamOnAllow = upstream, HeadersToDownstreamOnDeny = denied, HeadersToDownstreamOnAllow = allowed };
    }

    /// <summary>Reads the filter of a chain for bytes; null: it cannot be built, and <paramref name="unknown"/> says why.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such filter.</exception>
    public static ExternalAuthorizer? ReadNetwork(ByteString bytes, out string? unknown)
    {
        var wire = Strict.Read(NetworkAuthorizer.Parser, bytes, out var isWhole);
        var cluster = wire.GrpcService?.EnvoyGrpc?.ClusterName ?? "";
        var name = ClusterName.Parse(cluster);
        var provider = Provider(wire.FilterEnabledMetadata);
        unknown = !isWhole ? "an external authorizer with a field that is not known"
            : wire.TransportApiVersion is not (0 or 2) ? "an external authorizer of another version of the API"
            : provider is null ? "an external authorizer that is asked on other conditions than a CUSTOM policy's"
            : name is null ? $"an external authorizer at {cluster}, which names no service"
            : null;
        return unknown is not null ? null : new ExternalAuthorizer
        {
            Name = provider!,
            Protocol = ExternalAuthorizerProtocol.Grpc,
            Hostname = name!.Host,
            Port = name.Port,
            Timeout = wire.GrpcService!.Timeout is { } timeout && timeout.ToTimeSpan() > TimeSpan.Zero ? timeout.ToTimeSpan() : TimeSpan.FromSeconds(600),
            FailOpen = wire.FailureModeAllow,
        };
    }

    private static string? Provider(MetadataMatcher? enabled) =>
        enabled is { Filter: Rules or NetworkRules, Path: [{ Key: MatchedPolicy }], Value.StringMatch: { MatchPatternCase: StringMatcher.MatchPatternOneofCase.Prefix } text }
        && text.Prefix.StartsWith(CustomPrefix, StringComparison.Ordinal)
            ? text.Prefix[CustomPrefix.Length..].TrimEnd('-')
            : null;

    private static ImmutableArray<StringMatch>? Headers(ListStringMatcher? list)
    {
        var headers = ImmutableArray.CreateBuilder<StringMatch>();
        foreach (var pattern in list?.Patterns ?? [])
        {
            if (Texts.Header(pattern) is not { } header)
            {
                return null;
            }

            headers.Add(header);
        }

        return headers.ToImmutable();
    }
}
