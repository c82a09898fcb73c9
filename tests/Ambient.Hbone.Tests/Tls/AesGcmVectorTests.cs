using System.Text.Json;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>
/// Published vectors of AES-GCM against libcrypto's as records are protected by it: by the same bindings, from the ciphers of our suites, in the order of
/// calls that a record makes.
/// </summary>
public sealed unsafe class AesGcmVectorTests
{
    private const int TagSize = 16;
    private const int GetTag = 0x10;
    private const int SetTag = 0x11;

    private const string Plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    private const string Additional = "feedfacedeadbeeffeedfacedeadbeefabaddad2";

    // "The Galois/Counter Mode of Operation" (McGrew and Viega), appendix B: test cases 1 to 4 and 13 to 16, those with keys of ours and nonces of 96 bits.
    [Theory]
    [InlineData(1, "00000000000000000000000000000000", "000000000000000000000000", "", "", "", "58e2fccefa7e3061367f1d57a4e7455a")]
    [InlineData(2, "00000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000", "", "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf")]
    [InlineData(3, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", Plain + "1aafd255", "", "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985", "4d5c2af327cd64a62cf35abd2ba6fab4")]
    [InlineData(4, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", Plain, Additional, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091", "5bc94fbc3221a5db94fae95ae7121a47")]
    [InlineData(13, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b")]
    [InlineData(14, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000", "", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919")]
    [InlineData(15, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", Plain + "1aafd255", "", "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad", "b094dac5d93471bdec1a502270e3cc6c")]
    [InlineData(16, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", Plain, Additional, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662", "76fc6ece0f4e1768cddf8853bb2d551b")]
    public void GcmSpecification(int number, string key, string nonce, string plain, string additional, string sealedText, string tag) =>
        Check($"case {number}", new Vector(key, nonce, additional, plain, sealedText, tag, IsGenuine: true));

    [Fact]
    public void Wycheproof()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Tls", "aes-gcm-wycheproof.json")));
        var (genuine, forged) = (0, 0);
        foreach (var test in file.RootElement.GetProperty("tests").EnumerateArray())
        {
            string Text(string name) => test.GetProperty(name).GetString()!;
            var vector = new Vector(Text("key"), Text("iv"), Text("aad"), Text("msg"), Text("ct"), Text("tag"), Text("result") == "valid");
            Check($"test {test.GetProperty("tcId").GetInt32()}, {Text("comment")}", vector);
            (genuine, forged) = vector.IsGenuine ? (genuine + 1, forged) : (genuine, forged + 1);
        }

        Assert.Equal((79, 54), (genuine, forged));
    }

    private static void Check(string name, Vector vector)
    {
        var (key, nonce) = (Convert.FromHexString(vector.Key), Convert.FromHexString(vector.Nonce));
        var (additional, plain) = (Convert.FromHexString(vector.Additional), Convert.FromHexString(vector.Plain));
        var (text, tag) = (Convert.FromHexString(vector.Sealed), Convert.FromHexString(vector.Tag));
        var suite = key.Length == CipherSuite.Aes128.KeySize ? CipherSuite.Aes128 : CipherSuite.Aes256;
        Assert.Equal(suite.KeySize, key.Length);
        Assert.NotEqual(0, suite.Cipher);
        foreach (var split in new[] { 0, plain.Length / 2, Math.Max(0, plain.Length - 1) }.Distinct())
        {
            var opened = new byte[text.Length];
            var isGenuine = Run(suite, key, nonce, additional, text, split, opened, tag, encrypts: false);
            Assert.True(isGenuine == vector.IsGenuine, $"{name}: genuine is {isGenuine}");
            if (vector.IsGenuine)
            {
                Assert.Equal(plain, opened);
                var (made, madeTag) = (new byte[plain.Length], new byte[TagSize]);
                Assert.True(Run(suite, key, nonce, additional, plain, split, made, madeTag, encrypts: true), name);
                Assert.Equal(text, made);
                Assert.Equal(tag, madeTag);
            }
        }
    }

    /// <summary>As a record does: key once, then the nonce, the additional data, the bytes in two parts, and the tag before or behind the end.</summary>
    private static bool Run(CipherSuite suite, byte[] key, byte[] nonce, byte[] additional, byte[] input, int split, byte[] output, byte[] tag, bool encrypts)
    {
        var context = OpenSsl.EVP_CIPHER_CTX_new();
        try
        {
            int done;
            byte none;
            fixed (byte* k = key, n = nonce, a = additional, t = tag)
            fixed (byte* from = input, to = output)
            {
                var zero = new byte[12];
                fixed (byte* z = zero)
                {
                    Assert.Equal(1, OpenSsl.EVP_CipherInit_ex(context, suite.Cipher, 0, k, z, encrypts ? 1 : 0));
                }

                return OpenSsl.EVP_CipherInit_ex(context, 0, 0, null, n, -1) == 1
                    && (additional.Length == 0 || OpenSsl.EVP_CipherUpdate(context, null, &done, a, additional.Length) == 1)
                    && (split == 0 || OpenSsl.EVP_CipherUpdate(context, to, &done, from, split) == 1)
                    && (split == input.Length || OpenSsl.EVP_CipherUpdate(context, to + split, &done, from + split, input.Length - split) == 1)
                    && (encrypts || OpenSsl.EVP_CIPHER_CTX_ctrl(context, SetTag, TagSize, t) == 1)
                    && OpenSsl.EVP_CipherFinal_ex(context, &none, &done) == 1
                    && (!encrypts || OpenSsl.EVP_CIPHER_CTX_ctrl(context, GetTag, TagSize, t) == 1);
            }
        }
        finally
        {
            OpenSsl.EVP_CIPHER_CTX_free(context);
            OpenSsl.ERR_clear_error();
        }
    }

    private sealed record Vector(string Key, string Nonce, string Additional, string Plain, string Sealed, string Tag, bool IsGenuine);
}
