using System.Collections.Concurrent;
using Ambient.Node.Protos.Ca;
using Grpc.Core;

namespace Ambient.Testing.ControlPlane;

/// <summary>What a test's certificate service answers, and what it was asked.</summary>
internal sealed class CertificateScript
{
    private readonly ConcurrentQueue<(IstioCertificateRequest Request, Metadata Headers)> _requests = new();

    /// <summary>Requests so far.</summary>
    public (IstioCertificateRequest Request, Metadata Headers)[] Requests => [.. _requests];

    /// <summary>The answer.</summary>
    public Func<IstioCertificateRequest, IstioCertificateResponse> Answer { get; set; } = static _ => new IstioCertificateResponse();

    internal Task<IstioCertificateResponse> AnswerAsync(IstioCertificateRequest request, ServerCallContext context)
    {
        _requests.Enqueue((request, context.RequestHeaders));
        return Task.FromResult(Answer(request));
    }
}

/// <summary>The generated service, handed to the script.</summary>
internal sealed class CertificateService(CertificateScript script) : IstioCertificateService.IstioCertificateServiceBase
{
    public override Task<IstioCertificateResponse> CreateCertificate(IstioCertificateRequest request, ServerCallContext context) => script.AnswerAsync(request, context);
}
