using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Requests;

/// <summary>What recorded questions are asked of.</summary>
internal interface IGoldenSubject
{
    /// <summary>Asks.</summary>
    /// <param name="http2">Over HTTP/2, not HTTP/1.1.</param>
    /// <param name="question">What.</param>
    Task<GoldenAnswer> AskAsync(bool http2, GoldenQuestion question);
}

/// <summary>A recorded question.</summary>
/// <param name="Method">Method.</param>
/// <param name="Path">Target as it is sent.</param>
/// <param name="Host">Host.</param>
/// <param name="Headers">Further fields.</param>
/// <param name="Source">Where the client connects from.</param>
/// <param name="Identity">Who it is; null: nobody, or no matter.</param>
/// <param name="Service">The service that is asked; null: a gateway is.</param>
/// <param name="GatewayPort">Port of the gateway.</param>
/// <param name="Grpc">Whether it is a call of gRPC with an empty message, to port 9000.</param>
internal sealed record GoldenQuestion(
    string Method, string Path, string Host, IReadOnlyDictionary<string, string> Headers, IPAddress Source, SpiffeId? Identity, MeshService? Service, int? GatewayPort, bool Grpc);
