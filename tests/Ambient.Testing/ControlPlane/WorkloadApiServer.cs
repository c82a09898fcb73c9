using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Ambient.Identity;
using Ambient.Node.Protos.Spiffe;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ambient.Testing.ControlPlane;

/// <summary>A SPIRE agent of a test: the SPIFFE Workload API on a unix socket, from a real gRPC server.</summary>
internal sealed class WorkloadApiServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Script _script;

    private WorkloadApiServer(WebApplication app, Script script)
    {
        _app = app;
        _script = script;
    }

    /// <summary>Streams that were opened so far.</summary>
    public int Opened => _script.Opened;

    /// <summary>Starts one. <paramref name="answer"/> is given to every stream at once; null: nothing yet. A status instead refuses streams.</summary>
    public static async Task<WorkloadApiServer> StartAsync(string path, X509SVIDResponse? answer, StatusCode refusal = StatusCode.OK)
    {
        File.Delete(path);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        var script = new Script { Answer = answer, Refusal = refusal };
        builder.Services.AddSingleton(script);
        var app = builder.Build();
        app.MapGrpcService<Service>();
        await app.StartAsync();
        return new WorkloadApiServer(app, script);
    }

    /// <summary>Sends an answer on every stream, and to those that come.</summary>
    public void Push(X509SVIDResponse answer) => _script.Push(answer);

    /// <summary>An SVID as the API gives it.</summary>
    public static X509SVID Of(X509Svid svid, byte[]? key = null)
    {
        ArgumentNullException.ThrowIfNull(svid);
        using var own = svid.Leaf.GetECDsaPrivateKey();
        return new X509SVID
        {
            SpiffeId = svid.Id.ToString(),
            X509Svid = ByteString.CopyFrom([.. svid.Leaf.RawData, .. svid.Intermediates.SelectMany(certificate => certificate.RawData)]),
            X509SvidKey = ByteString.CopyFrom(key ?? own!.ExportPkcs8PrivateKey()),
            Bundle = ByteString.CopyFrom([.. svid.Roots.Roots.SelectMany(root => root.RawData)]),
        };
    }

    public async ValueTask DisposeAsync()
    {
        _script.End();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private sealed class Script
    {
        private readonly ConcurrentDictionary<Channel<X509SVIDResponse>, bool> _streams = new();
        private int _opened;

        public X509SVIDResponse? Answer { get; set; }

        public StatusCode Refusal { get; init; }

        public int Opened => Volatile.Read(ref _opened);

        public void Push(X509SVIDResponse answer)
        {
            Answer = answer;
            foreach (var stream in _streams.Keys)
            {
                stream.Writer.TryWrite(answer);
            }
        }

        public void End()
        {
            foreach (var stream in _streams.Keys)
            {
                stream.Writer.TryComplete();
            }
        }

        public async Task ServeAsync(IServerStreamWriter<X509SVIDResponse> responses, ServerCallContext context)
        {
            Interlocked.Increment(ref _opened);
            if (context.RequestHeaders.GetValue("workload.spiffe.io") != "true")
            {
                throw new RpcException(new Status(StatusCode.InvalidArgument, "security header missing from request"));
            }

            if (Refusal != StatusCode.OK)
            {
                throw new RpcException(new Status(Refusal, "no identity issued"));
            }

            var stream = Channel.CreateUnbounded<X509SVIDResponse>();
            _streams[stream] = true;
            if (Answer is { } answer)
            {
                await responses.WriteAsync(answer);
            }

            await foreach (var next in stream.Reader.ReadAllAsync(context.CancellationToken))
            {
                await responses.WriteAsync(next);
            }
        }
    }

    private sealed class Service(Script script) : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
    {
        public override Task FetchX509SVID(X509SVIDRequest request, IServerStreamWriter<X509SVIDResponse> responseStream, ServerCallContext context) =>
            script.ServeAsync(responseStream, context);
    }
}
