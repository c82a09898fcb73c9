namespace Ambient.Hbone.Tls;

/// <summary>
/// Tells <see cref="System.Net.Security.SslStream"/> to give up a read that would have to wait: a record came that held
/// no data (a session ticket, a key update). An <see cref="IOException"/> is what it passes on unchanged.
/// </summary>
internal sealed class NothingThereException : IOException
{
    private NothingThereException()
        : base("no complete TLS record is there")
    {
    }

    public static NothingThereException Instance { get; } = new();
}
