using System.Diagnostics.CodeAnalysis;
using Grpc.Core;

namespace Ambient.Node.Tests.Requests.Conversations;

/// <summary>
/// The gRPC service <c>test.Chat</c> of a pod, with a method of each kind. Its messages are bytes as they are: what is tested is what lies between
/// client and server, not how either serializes.
/// </summary>
[BindServiceMethod(typeof(Chat), nameof(BindService))]
[SuppressMessage("Performance", "CA1852", Justification = "gRPC's server binds virtual methods alone, and a sealed class has none.")]
internal class Chat
{
    private static readonly Marshaller<byte[]> s_bytes = Marshallers.Create(static message => message, static message => message);

    public static Method<byte[], byte[]> AskMethod { get; } = Named(MethodType.Unary, nameof(Ask));

    public static Method<byte[], byte[]> UploadMethod { get; } = Named(MethodType.ClientStreaming, nameof(Upload));

    public static Method<byte[], byte[]> WatchMethod { get; } = Named(MethodType.ServerStreaming, nameof(Watch));

    public static Method<byte[], byte[]> TalkMethod { get; } = Named(MethodType.DuplexStreaming, nameof(Talk));

    /// <summary>Lets <see cref="Watch"/> send its next message.</summary>
    public SemaphoreSlim Next { get; } = new(0);

    /// <summary>Completes when <see cref="Talk"/> was broken off by the client, with its deadline.</summary>
    public TaskCompletionSource<DateTime> Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Metadata that the last call came with.</summary>
    public Metadata Seen { get; private set; } = [];

    public static void BindService(ServiceBinderBase binder, Chat? service)
    {
        binder.AddMethod(AskMethod, service is null ? null : new UnaryServerMethod<byte[], byte[]>(service.Ask));
        binder.AddMethod(UploadMethod, service is null ? null : new ClientStreamingServerMethod<byte[], byte[]>(service.Upload));
        binder.AddMethod(WatchMethod, service is null ? null : new ServerStreamingServerMethod<byte[], byte[]>(service.Watch));
        binder.AddMethod(TalkMethod, service is null ? null : new DuplexStreamingServerMethod<byte[], byte[]>(service.Talk));
    }

    /// <summary>Answers with the message, as metadata says: <c>fail</c> is a status and its text, <c>wait</c> never answers.</summary>
    public virtual async Task<byte[]> Ask(byte[] request, ServerCallContext context)
    {
        Seen = context.RequestHeaders;
        await context.WriteResponseHeadersAsync(new Metadata { { "x-head", "first" }, { "x-head-bin", (byte[])[0, 1, 2, 255] } });
        context.ResponseTrailers.Add("x-tail", "last");
        context.ResponseTrailers.Add("x-tail-bin", [255, 0]);
        await FailAsync(context);
        return request;
    }

    /// <summary>Answers with how many bytes and messages there were.</summary>
    public virtual async Task<byte[]> Upload(IAsyncStreamReader<byte[]> requests, ServerCallContext context)
    {
        var (messages, bytes) = (0, 0);
        while (await requests.MoveNext(context.CancellationToken))
        {
            messages++;
            bytes += requests.Current.Length;
        }

        return System.Text.Encoding.ASCII.GetBytes($"{messages} {bytes}");
    }

    /// <summary>Sends as many messages as the request says, each when <see cref="Next"/> lets it.</summary>
    public virtual async Task Watch(byte[] request, IServerStreamWriter<byte[]> responses, ServerCallContext context)
    {
        for (byte i = 0; i < request[0]; i++)
        {
            await Next.WaitAsync(context.CancellationToken);
            await responses.WriteAsync([i], context.CancellationToken);
        }

        context.ResponseTrailers.Add("x-tail", "last");
        await FailAsync(context);
    }

    /// <summary>Answers each message with itself.</summary>
    public virtual async Task Talk(IAsyncStreamReader<byte[]> requests, IServerStreamWriter<byte[]> responses, ServerCallContext context)
    {
        try
        {
            while (await requests.MoveNext(context.CancellationToken))
            {
                await responses.WriteAsync(requests.Current, context.CancellationToken);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            Cancelled.TrySetResult(context.Deadline);
            throw;
        }
    }

    private static Method<byte[], byte[]> Named(MethodType type, string name) => new(type, "test.Chat", name, s_bytes, s_bytes);

    private static Task FailAsync(ServerCallContext context) => context.RequestHeaders.GetValue("fail") is { } status
        ? Task.FromException(new RpcException(new Status(Enum.Parse<StatusCode>(status), "not today: ü%\n"), new Metadata { { "x-why-bin", (byte[])[9, 8, 7] } }))
        : Task.CompletedTask;
}
