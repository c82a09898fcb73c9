using Ambient.Hbone.Tls;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Both engines, and each against the other: the same rules and the same words.</summary>
internal static class Engines
{
    public static TlsEngine Managed => TlsEngine.Managed;

    /// <summary>Where OpenSSL cannot be called these tests fail, and say why: Linux has it wherever the tests run.</summary>
    public static TlsEngine Native => TlsEngine.Native ?? throw new InvalidOperationException($"no native engine: {Ambient.Hbone.Tls.Native.OpenSsl.Missing}");
}
