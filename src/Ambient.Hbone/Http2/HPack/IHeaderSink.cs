namespace Ambient.Hbone.Http2.HPack;

/// <summary>Takes the headers of a block one by one, in order. The spans are valid only during the call.</summary>
internal interface IHeaderSink
{
    /// <summary>One header.</summary>
    void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value);
}
