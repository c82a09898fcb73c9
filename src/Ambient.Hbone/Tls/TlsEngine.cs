using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls.Native;
using Ambient.Identity;

namespace Ambient.Hbone.Tls;

/// <summary>Who does TLS: OpenSSL called directly, or <see cref="System.Net.Security.SslStream"/>. Same rules, same words.</summary>
internal abstract class TlsEngine
{
    /// <summary>The variable that says which one.</summary>
    public const string Variable = "AMBIENT_TLS";

    /// <summary><see cref="System.Net.Security.SslStream"/>, which is there on every system.</summary>
    public static TlsEngine Managed { get; } = new SslStreamEngine(null);

    /// <summary>OpenSSL; null where it cannot be called.</summary>
    public static TlsEngine? Native { get; } = OpenSsl.Missing is null ? new NativeEngine() : null;

    /// <summary>The one of this process.</summary>
    public static TlsEngine Default { get; } = Choose();

    /// <summary>What it is, for the log.</summary>
    public abstract string Description { get; }

    /// <summary>Shakes hands. On failure everything but the channel is released.</summary>
    /// <exception cref="Exception">Of any kind: the handshake failed.</exception>
    public abstract Task<TlsTransport> AuthenticateAsync(Side side);

    private static TlsEngine Choose() => Environment.GetEnvironmentVariable(Variable)?.ToLowerInvariant() switch
    {
        "openssl" => Native ?? new SslStreamEngine($"{Variable}=openssl is not possible: {OpenSsl.Missing}"),
        "managed" => new SslStreamEngine($"{Variable}=managed"),
        _ => Native ?? new SslStreamEngine(OpenSsl.Missing),
    };

    /// <summary>One side of a handshake.</summary>
    /// <param name="Channel">What the bytes travel on.</param>
    /// <param name="Svid">What we present.</param>
    /// <param name="IsServer">Our role.</param>
    /// <param name="Check">Who judges the peer.</param>
    /// <param name="Turns">When it may compute; null: always.</param>
    /// <param name="Limits">What the peer may make it cost.</param>
    internal sealed record Side(IByteChannel Channel, X509Svid Svid, bool IsServer, PeerCheck Check, HandshakeTurns? Turns, HandshakeLimits Limits)
    {
        public RecordBuffers CreateRecords() => new(Channel) { Limits = Limits, Turns = Turns };
    }
}
