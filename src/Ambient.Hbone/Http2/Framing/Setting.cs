namespace Ambient.Hbone.Http2.Framing;

/// <summary>One entry of a SETTINGS frame.</summary>
internal readonly record struct Setting(SettingId Id, uint Value)
{
    /// <summary>Bytes of an entry on the wire.</summary>
    public const int Size = 6;
}
