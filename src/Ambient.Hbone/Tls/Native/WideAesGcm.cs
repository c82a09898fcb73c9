using System.Runtime.Intrinsics.X86;

namespace Ambient.Hbone.Tls.Native;

/// <summary>
/// AES-GCM with wide vectors (VAES and VPCLMULQDQ on AVX-512 registers), which x86-64 processors have had since about 2019 and OpenSSL uses
/// since 3.1: a core encrypts three times as fast with it, and that is most of what a byte through a tunnel costs.
/// </summary>
internal static class WideAesGcm
{
    /// <summary>OpenSSL 3.1.0, as <c>OPENSSL_VERSION_NUMBER</c> has it.</summary>
    internal const long FirstVersion = 0x3010_0000;

    // CPUID leaf 7: AVX512F, AVX512BW and AVX512VL in EBX, VAES and VPCLMULQDQ in ECX.
    private const int Leaf = 7;
    private const uint Registers = (1u << 16) | (1u << 30) | (1u << 31);
    private const uint Instructions = (1u << 9) | (1u << 10);

    /// <summary>Whether this processor has what it takes.</summary>
    public static bool IsInProcessor { get; } = Ask();

    /// <summary>What to do about an OpenSSL that leaves this processor's wide vectors unused; null where it does not.</summary>
    /// <param name="version"><c>OPENSSL_VERSION_NUMBER</c>.</param>
    /// <param name="name">What OpenSSL calls itself.</param>
    /// <param name="isInProcessor">Whether the processor has them.</param>
    public static string? AdviceFor(long version, string name, bool isInProcessor) => version >= FirstVersion || !isInProcessor ? null
        : $"{name} does not use this processor's wide vectors (AVX-512) for AES-GCM, so encryption takes about three times as long as it could: "
            + "run on a base with OpenSSL 3.1 or later (Ubuntu 26.04 and Debian 13 have 3.5)";

    private static bool Ask()
    {
        if (!X86Base.X64.IsSupported || X86Base.CpuId(0, 0).Eax < Leaf)
        {
            return false;
        }

        var (_, ebx, ecx, _) = X86Base.CpuId(Leaf, 0);
        return ((uint)ebx & Registers) == Registers && ((uint)ecx & Instructions) == Instructions;
    }
}
