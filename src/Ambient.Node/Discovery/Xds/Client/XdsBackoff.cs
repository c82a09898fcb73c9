namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>How long to wait before the control plane is tried again: 10 ms after a stream that worked, else doubled each time up to 15 s.</summary>
internal struct XdsBackoff
{
    private static readonly TimeSpan s_least = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(15);
    private TimeSpan _last;

    /// <summary>A stream brought something: the next failure is the first.</summary>
    public void Worked() => _last = TimeSpan.Zero;

    /// <summary>The wait after a failure.</summary>
    public TimeSpan Next()
    {
        _last = _last == TimeSpan.Zero ? s_least : _last * 2 < s_most ? _last * 2 : s_most;
        return _last;
    }
}
