using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>Messages of OTLP (https://opentelemetry.io/docs/specs/otlp/), over gRPC or HTTP.</summary>
internal static class OtlpRequest
{
    private static readonly MediaTypeHeaderValue s_grpc = new("application/grpc");
    private static readonly MediaTypeHeaderValue s_protobuf = new("application/x-protobuf");

    /// <summary>The request that carries a message.</summary>
    /// <param name="collector">Address, with the path of OTLP over HTTP.</param>
    /// <param name="method">Path of gRPC's method; null: it goes over HTTP.</param>
    /// <param name="message">The message.</param>
    public static HttpRequestMessage Of(Uri collector, string? method, IMessage message)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, method is null ? collector : new Uri(collector, method));
        var size = message.CalculateSize();
        var prefix = method is null ? 0 : 5;
        var bytes = new byte[prefix + size];
        message.WriteTo(bytes.AsSpan(prefix));
        if (method is not null)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), size);
            (request.Version, request.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
            request.Headers.TE.ParseAdd("trailers");
        }

        request.Content = new ByteArrayContent(bytes);
        request.Content.Headers.ContentType = method is null ? s_protobuf : s_grpc;
        return request;
    }

    /// <summary>Why an answer of gRPC's does not take a message; null: it does.</summary>
    public static string? ProblemOf(HttpResponseMessage response)
    {
        var status = response.TrailingHeaders.TryGetValues("grpc-status", out var trailer) || response.Headers.TryGetValues("grpc-status", out trailer) ? trailer.First() : null;
        return status == "0" ? null : $"it answered with the gRPC status {status ?? "missing"}";
    }
}
