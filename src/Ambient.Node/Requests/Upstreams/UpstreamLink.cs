using System.IO.Pipelines;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// A connection to an endpoint for bytes that nobody here reads: a tunnel, or a socket. Completing <see cref="Output"/> half-closes;
/// <see cref="Input"/> completes when the endpoint half-closes. Disposing resets what is still open.
/// </summary>
internal sealed class UpstreamLink : IDuplexPipe, IAsyncDisposable
{
    // No buffer while nothing comes.
    private static readonly StreamPipeReaderOptions s_reading = new(leaveOpen: true, useZeroByteReads: true);

    private readonly HboneTunnel? _tunnel;
    private readonly Socket? _socket;
    private bool _ended;

    /// <summary>A tunnel to the endpoint; the link owns it.</summary>
    public UpstreamLink(HboneTunnel tunnel)
    {
        _tunnel = tunnel;
        Input = tunnel.Input;
        Output = tunnel.Output;
        Closed = tunnel.Closed;
    }

    /// <summary>A connected socket; the link owns it.</summary>
    public UpstreamLink(Socket socket)
    {
        _socket = socket;
        var stream = new NetworkStream(socket, ownsSocket: false);
        Input = PipeReader.Create(stream, s_reading);
        Output = PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true));
    }

    /// <inheritdoc/>
    public PipeReader Input { get; }

    /// <inheritdoc/>
    public PipeWriter Output { get; }

    /// <summary>Cancelled when both directions have ended or the endpoint was lost; never for a socket, whose reads say it.</summary>
    public CancellationToken Closed { get; }

    /// <summary>Ends our direction; the endpoint's goes on.</summary>
    public async ValueTask EndAsync()
    {
        await Output.CompleteAsync().ConfigureAwait(false);
        try
        {
            _socket?.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // It is gone already.
        }
    }

    /// <summary>Both directions have ended in order: disposing does not reset.</summary>
    public void MarkEnded() => _ended = true;

    /// <summary>Cuts the connection so that the endpoint does not take it for an orderly end.</summary>
    public void Break()
    {
        _tunnel?.Break();
        try
        {
            _socket?.Close(0);
        }
        catch (SocketException)
        {
            // It is gone already.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_tunnel is not null)
        {
            await _tunnel.DisposeAsync().ConfigureAwait(false);
        }
        else
        {
            await Input.CompleteAsync().ConfigureAwait(false);
            if (!_ended)
            {
                Break();
            }

            _socket!.Dispose();
        }
    }
}
