namespace Ambient.Hbone.Http2.HPack;

/// <summary>What the encoder tells the peer about keeping a header (RFC 7541 section 6.2).</summary>
internal enum HeaderIndexing
{
    /// <summary>Keep it: it will come again.</summary>
    Incremental,

    /// <summary>Do not keep it: the next one will differ.</summary>
    Without,

    /// <summary>Do not keep it, and let no intermediary do so: it is a secret.</summary>
    Never,
}
