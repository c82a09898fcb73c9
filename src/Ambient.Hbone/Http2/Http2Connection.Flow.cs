using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2;

/// <summary>Windows, settings and pings.</summary>
internal sealed partial class Http2Connection
{
    private int _sendWindow;
    private int _receiveWindow;
    private int _creditToReturn;
    private bool _firstSettings;
    private long _pingSince;
    private bool _pingOutstanding;
    private ulong _pingData;

    /// <summary>Returns credit for bytes of a stream that were consumed, or that nobody will consume.</summary>
    internal void ReturnCredit(Http2Stream stream, int bytes)
    {
        if (bytes == 0)
        {
            return;
        }

        bool kick;
        lock (_gate)
        {
            if (stream.Settled || _closed)
            {
                return;
            }

            stream.Unconsumed -= bytes;
            var due = ReturnConnectionCredit(bytes);
            if (!stream.Removed && !stream.RemoteEnded)
            {
                stream.CreditToReturn += bytes;
                if (stream.CreditToReturn >= _options.StreamWindowSize / 2)
                {
                    stream.ReceiveWindow += stream.CreditToReturn;
                    _control.Advance(FrameWriter.WriteWindowUpdate(_control.GetSpan(FrameWriter.MaxSmallFrame), stream.Id, stream.CreditToReturn));
                    stream.CreditToReturn = 0;
                    due = true;
                }
            }

            kick = due && BeginWriting();
        }

        Kick(kick);
    }

    /// <summary>Under the lock. Updates are few: one for each half of the window.</summary>
    private bool ReturnConnectionCredit(int bytes)
    {
        _creditToReturn += bytes;
        if (_creditToReturn < _options.ConnectionWindowSize / 2)
        {
            return false;
        }

        _receiveWindow += _creditToReturn;
        _control.Advance(FrameWriter.WriteWindowUpdate(_control.GetSpan(FrameWriter.MaxSmallFrame), 0, _creditToReturn));
        _creditToReturn = 0;
        return true;
    }

    /// <summary>Accounts for a DATA frame whose payload is about to come. Null: the payload is for nobody.</summary>
    private Http2Stream? ReceiveData(in FrameHeader header)
    {
        Http2StreamException? fault;
        lock (_gate)
        {
            if (header.Length > _receiveWindow)
            {
                throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"{header}: the connection's window has {_receiveWindow} bytes left");
            }

            _receiveWindow -= header.Length;
            if (!_streams.TryGetValue(header.StreamId, out var stream))
            {
                CheckNotIdle(header.StreamId);

                // Sent before the peer knew that the stream is over: nobody will consume it.
                if (ReturnConnectionCredit(header.Length))
                {
                    DueKick();
                }

                return null;
            }

            if (stream.RemoteEnded)
            {
                fault = new Http2StreamException(header.StreamId, Http2ErrorCode.StreamClosed, $"{header}: after END_STREAM");
            }
            else if (header.Length > stream.ReceiveWindow)
            {
                fault = new Http2StreamException(header.StreamId, Http2ErrorCode.FlowControlError, $"{header}: the stream's window has {stream.ReceiveWindow} bytes left");
            }
            else if (!IsServer && !stream.Answered)
            {
                fault = new Http2StreamException(header.StreamId, Http2ErrorCode.ProtocolError, $"{header}: before the response");
            }
            else
            {
                stream.ReceiveWindow -= header.Length;
                stream.Unconsumed += header.Length;
                return stream;
            }

            if (ReturnConnectionCredit(header.Length))
            {
                DueKick();
            }
        }

        OnStreamFault(fault);
        return null;
    }

    private void OnSettings(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.HasFlag(FrameFlags.Ack))
        {
            // One is due, for the preface; more answer nothing.
            _guard.OnIgnoredFrame();
            return;
        }

        _guard.OnSettings();
        lock (_gate)
        {
            var before = _peer.InitialWindowSize;
            _peer.Apply(payload, fromServer: !IsServer);
            _encoder.SetPeerTableSize(_peer.HeaderTableSize);
            var change = _peer.InitialWindowSize - before;
            if (change != 0)
            {
                foreach (var stream in _streams.Values)
                {
                    Widen(stream, change);
                }
            }

            _control.Advance(FrameWriter.WriteSettingsAck(_control.GetSpan(FrameWriter.MaxSmallFrame)));
            CountControlFrame();
            DueKick();
        }

        if (!_firstSettings)
        {
            _firstSettings = true;
            _settingsReceived.TrySetResult();
        }
    }

    private void OnWindowUpdate(in FrameHeader header, int increment)
    {
        _guard.OnWindowUpdate(increment, DataFramesSent);
        lock (_gate)
        {
            if (header.StreamId == 0)
            {
                if (_sendWindow > Http2Constants.MaxWindowSize - increment)
                {
                    throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"{header}: the connection's window overflows");
                }

                _sendWindow += increment;
            }
            else if (_streams.TryGetValue(header.StreamId, out var stream))
            {
                if (stream.SendWindow > 0 && stream.SendWindow > Http2Constants.MaxWindowSize - increment)
                {
                    throw new Http2StreamException(header.StreamId, Http2ErrorCode.FlowControlError, $"{header}: the stream's window overflows");
                }

                Widen(stream, increment);
            }
            else
            {
                CheckNotIdle(header.StreamId);
                return;
            }

            if (_ready.Count > 0)
            {
                DueKick();
            }
        }
    }

    /// <summary>Under the lock: the peer changed a stream's window.</summary>
    private void Widen(Http2Stream stream, int change)
    {
        if ((long)stream.SendWindow + change > Http2Constants.MaxWindowSize)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"SETTINGS make the window of stream {stream.Id} overflow");
        }

        stream.SendWindow += change;
        MakeReady(stream);
    }

    private void OnPing(in FrameHeader header, ulong data)
    {
        if (header.HasFlag(FrameFlags.Ack))
        {
            lock (_gate)
            {
                if (_pingOutstanding && data == _pingData)
                {
                    _pingOutstanding = false;
                    _pingSince = _time.GetTimestamp();
                    return;
                }
            }

            _guard.OnIgnoredFrame();
            return;
        }

        _guard.OnPing();
        lock (_gate)
        {
            _control.Advance(FrameWriter.WritePing(_control.GetSpan(FrameWriter.MaxSmallFrame), data, ack: true));
            CountControlFrame();
            DueKick();
        }
    }

    /// <summary>Called now and then by whoever owns the connection: pings when it is time, and ends a connection whose peer is silent.</summary>
    public void Tick()
    {
        var kick = false;
        var silent = false;
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            var elapsed = _time.GetElapsedTime(_pingSince);
            if (_pingOutstanding)
            {
                silent = elapsed >= _options.PingTimeout;
                if (silent && IsServer && !_goAwaySent)
                {
                    WriteGoAway(Http2ErrorCode.NoError, null);
                }
            }
            else if (elapsed >= _options.PingInterval)
            {
                _pingOutstanding = true;
                _pingSince = _time.GetTimestamp();
                _pingData = (ulong)Random.Shared.NextInt64();
                _control.Advance(FrameWriter.WritePing(_control.GetSpan(FrameWriter.MaxSmallFrame), _pingData, ack: false));
                kick = BeginWriting();
            }
        }

        Kick(kick);
        if (silent)
        {
            Abort(new TimeoutException($"the peer has not answered a PING for {_options.PingTimeout.TotalSeconds:0.#} s"));
        }
    }

    /// <summary>Closes once nothing is open and nothing new may come.</summary>
    private void CloseIfDone()
    {
        bool done;
        lock (_gate)
        {
            done = _closeWhenEmpty && _streams.Count == 0 && !_closed;
            if (done && !_goAwaySent)
            {
                WriteGoAway(Http2ErrorCode.NoError, null);
            }
        }

        if (done)
        {
            Close(null);
        }
    }
}
