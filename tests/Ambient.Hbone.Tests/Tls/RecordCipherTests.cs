using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Ambient.Hbone.Tls.Native;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Records as RFC 8446 wants them: .NET's own AES-GCM as a second opinion. The published traces are in <see cref="RecordTraceTests"/>.</summary>
public sealed class RecordCipherTests
{
    [Theory]
    [InlineData(0x1301)]
    [InlineData(0x1302)]
    public void Records_OfEverySize_AreWhatAesGcmOfTheBaseClassLibraryMakes(int id)
    {
        var suite = CipherSuite.Of((ushort)id)!;
        var secret = RandomNumberGenerator.GetBytes(suite.HashSize);
        using var seal = new RecordCipher(suite, secret, encrypts: true);
        using var open = new RecordCipher(suite, secret, encrypts: false);
        for (var (sequence, update) = (0ul, 0); update < 3; sequence++)
        {
            var content = RandomNumberGenerator.GetBytes(new[] { 0, 1, 15, 16, 17, 1000, 16383, 16384 }[sequence % 8]);
            var record = new byte[content.Length + 22];
            Assert.Equal(record.Length, seal.Seal(23, content, record));

            Assert.Equal(Reference(suite, secret, sequence, record.AsSpan(0, 5), [.. content, 23]), record.AsSpan(5).ToArray());
            Assert.Equal([.. content, 23], Open(open, Convert.ToHexString(record)));
            if (sequence == 8)
            {
                // RFC 8446, 7.2: the next secret, and the sequence begins anew.
                seal.Update();
                open.Update();
                secret = Expand(suite, secret, "traffic upd", suite.HashSize);
                sequence = ulong.MaxValue;
                update++;
            }
        }
    }

    /// <summary>RFC 8446, 5.5: 2^24.5 full records under one key of AES-GCM.</summary>
    [Theory]
    [InlineData(0x1301)]
    [InlineData(0x1302)]
    public void Key_ByDefault_IsWornOutWithinTheLimitOfItsCipher(int id)
    {
        var suite = CipherSuite.Of((ushort)id)!;
        using var cipher = new RecordCipher(suite, new byte[suite.HashSize], encrypts: true);

        Assert.Equal(8_388_608ul, cipher.RecordLimit);
        Assert.InRange(cipher.RecordLimit, 1ul, (ulong)Math.Pow(2, 24.5));
        var stated = $"our own key is changed after 2^{BitOperations.Log2(cipher.RecordLimit)} records";
        Assert.Contains(stated, Repository.ReadDocument("security.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void Key_AtItsLimit_IsWornOut_AndTheNextIsNot()
    {
        using var cipher = new RecordCipher(CipherSuite.Aes128, new byte[CipherSuite.Aes128.HashSize], encrypts: true) { RecordLimit = 3 };
        for (var i = 0; i < 3; i++)
        {
            Assert.False(cipher.IsWornOut);
            Seal(cipher, 23, []);
        }

        Assert.True(cipher.IsWornOut);
        cipher.Update();
        Assert.False(cipher.IsWornOut);
    }

    [Fact]
    public void Open_AnyBitFlipped_IsNotGenuineAndLeavesNothing()
    {
        var secret = RandomNumberGenerator.GetBytes(CipherSuite.Aes256.HashSize);
        var record = new byte[16 + 22];
        using (var seal = new RecordCipher(CipherSuite.Aes256, secret, encrypts: true))
        {
            seal.Seal(23, "sixteen bytes!!!"u8, record);
        }

        for (var bit = 0; bit < record.Length * 8; bit++)
        {
            using var open = new RecordCipher(CipherSuite.Aes256, secret, encrypts: false);
            var mangled = (byte[])record.Clone();
            mangled[bit / 8] ^= (byte)(1 << (bit % 8));
            var inner = new byte[17];

            Assert.False(open.TryOpen(mangled, inner, []));
            Assert.Equal(new byte[17], inner);
        }
    }

    private static string Seal(RecordCipher cipher, byte type, ReadOnlySpan<byte> content)
    {
        var record = new byte[content.Length + 22];
        cipher.Seal(type, content, record);
        return Convert.ToHexString(record);
    }

    private static byte[] Open(RecordCipher cipher, string hex)
    {
        var record = Convert.FromHexString(hex);

        // In two parts, as when the last byte does not fit.
        var inner = new byte[record.Length - 5 - 16 - 1];
        var rest = new byte[1];
        Assert.True(cipher.TryOpen(record, inner, rest));
        return [.. inner, .. rest];
    }

    private static byte[] Reference(CipherSuite suite, byte[] secret, ulong sequence, ReadOnlySpan<byte> header, byte[] inner)
    {
        using var gcm = new AesGcm(Expand(suite, secret, "key", suite.KeySize), 16);
        var nonce = Expand(suite, secret, "iv", 12);
        for (var i = 0; i < 8; i++)
        {
            nonce[11 - i] ^= (byte)(sequence >> (8 * i));
        }

        var result = new byte[inner.Length + 16];
        gcm.Encrypt(nonce, inner, result.AsSpan(0, inner.Length), result.AsSpan(inner.Length), header);
        return result;
    }

    private static byte[] Expand(CipherSuite suite, byte[] secret, string label, int length)
    {
        byte[] full = [.. Encoding.ASCII.GetBytes("tls13 " + label)];
        return HKDF.Expand(suite.Hash, secret, length, [0, (byte)length, (byte)full.Length, .. full, 0]);
    }
}
