using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
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

/// <summary>A SPIRE agent of a test: the SPIFFE Workload API on a socket, from a real gRPC server.</summary>
internal sealed class WorkloadApiServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Script _script;

    private WorkloadApiServer(WebApplication app, Script script)
    {
        _app = app;
        _script = script;
    }

    /// <summary>Where it is, as <c>SPIFFE_ENDPOINT_SOCKET</c> would say.</summary>
    public required string Address { get; init; }

    /// <summary>Streams that were opened so far.</summary>
    public int Opened => _script.Opened;

    /// <summary>Streams that are open.</summary>
    public int Streams => _script.Streams;

    /// <summary>Whether streams end right after their first answer.</summary>
    public bool HangUp { set => _script.HangUp = value; }

    /// <summary>Starts one with good SVIDs.</summary>
    public static Task<WorkloadApiServer> StartAsync(string path, params IEnumerable<X509Svid> svids) => StartAsync(path, Answer(svids));

    /// <summary>Starts one. <paramref name="answer"/> is given to every stream at once; null: nothing yet. A status instead refuses streams.</summary>
    public static Task<WorkloadApiServer> StartAsync(string path, X509SVIDResponse? answer, StatusCode refusal = StatusCode.OK)
    {
        File.Delete(path);
        return StartAsync(new UnixDomainSocketEndPoint(path), answer, refusal);
    }

    /// <summary>Starts one at an address; port 0 is any that is free.</summary>
    public static async Task<WorkloadApiServer> StartAsync(EndPoint endPoint, X509SVIDResponse? answer, StatusCode refusal = StatusCode.OK)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            if (endPoint is UnixDomainSocketEndPoint)
            {
                kestrel.ListenUnixSocket(endPoint.ToString()!, listen => listen.Protocols = HttpProtocols.Http2);
            }
            else
            {
                kestrel.Listen(endPoint, listen => listen.Protocols = HttpProtocols.Http2);
            }
        });
        builder.Services.AddGrpc();
        var script = new Script { Answer = answer, Refusal = refusal };
        builder.Services.AddSingleton(script);
        var app = builder.Build();
        app.MapGrpcService<Service>();
        await app.StartAsync();
        return new WorkloadApiServer(app, script)
        {
            Address = endPoint is UnixDomainSocketEndPoint ? $"unix://{endPoint}" : app.Urls.Single().Replace("http://", "tcp://", StringComparison.Ordinal),
        };
    }

    /// <summary>Sends an answer on every stream, and to those that come.</summary>
    public void Push(X509SVIDResponse answer) => _script.Push(answer);

    /// <summary>Sends SVIDs on every stream, and to those that come.</summary>
    public void Push(params IEnumerable<X509Svid> svids) => Push(Answer(svids));

    /// <summary>Ends every stream with a status, and refuses those that come with it, until something is pushed.</summary>
    public void Refuse(StatusCode status) => _script.Refuse(status);

    /// <summary>An answer with good SVIDs.</summary>
    public static X509SVIDResponse Answer(params IEnumerable<X509Svid> svids) => new() { Svids = { svids.Select(svid => Of(svid)) } };

    /// <summary>An SVID as the API gives it; the key may be another's.</summary>
    public static X509SVID Of(X509Svid svid, byte[]? key = null)
    {
        ArgumentNullException.ThrowIfNull(svid);
        using var own = (AsymmetricAlgorithm?)svid.Leaf.GetECDsaPrivateKey() ?? svid.Leaf.GetRSAPrivateKey()!;
        return new X509SVID
        {
            SpiffeId = svid.Id.ToString(),
            X509Svid = ByteString.CopyFrom([.. svid.Leaf.RawData, .. svid.Intermediates.SelectMany(certificate => certificate.RawData)]),
            X509SvidKey = ByteString.CopyFrom(key ?? own.ExportPkcs8PrivateKey()),
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

        public StatusCode Refusal { get; set; }

        public bool HangUp { get; set; }

        public int Opened => Volatile.Read(ref _opened);

        public int Streams => _streams.Count;

        public void Push(X509SVIDResponse answer)
        {
            Answer = answer;
            Refusal = StatusCode.OK;
            foreach (var stream in _streams.Keys)
            {
                stream.Writer.TryWrite(answer);
            }
        }

        public void Refuse(StatusCode status)
        {
            Refusal = status;
            End();
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

            ThrowIfRefused();
            var stream = Channel.CreateUnbounded<X509SVIDResponse>();
            _streams[stream] = true;
            try
            {
                if (Answer is { } answer)
                {
                    await responses.WriteAsync(answer);
                }

                if (HangUp)
                {
                    return;
                }

                await foreach (var next in stream.Reader.ReadAllAsync(context.CancellationToken))
                {
                    await responses.WriteAsync(next);
                }

                ThrowIfRefused();
            }
            finally
            {
                _streams.TryRemove(stream, out _);
            }
        }

        private void ThrowIfRefused()
        {
            if (Refusal is not StatusCode.OK and var status)
            {
                throw new RpcException(new Status(status, "no identity issued"));
            }
        }
    }

    private sealed class Service(Script script) : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
    {
        public override Task FetchX509SVID(X509SVIDRequest request, IServerStreamWriter<X509SVIDResponse> responseStream, ServerCallContext context) =>
            script.ServeAsync(responseStream, context);
    }
}
