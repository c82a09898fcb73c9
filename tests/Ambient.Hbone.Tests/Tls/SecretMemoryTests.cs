using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Ambient.Hbone.Tests.Tls.Programs;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>
/// Where the secrets of a connection lie in the memory of this process. What they are the other side tells, by its log of keys: it is read a byte at a
/// time, and kept in another form, so that the test puts no copy of its own where it looks. Alone in its collection: it reads all memory of the process.
/// </summary>
[Collection(nameof(SecretMemoryTests))]
[CollectionDefinition(nameof(SecretMemoryTests), DisableParallelization = true)]
public sealed class SecretMemoryTests
{
    private const byte Mask = 0x5A;

    /// <summary>While a connection is open we hold one copy of each of its two secrets; when it is over, and when the key has changed, none.</summary>
    [SkippableFact]
    public async Task Secrets_WeHoldOneCopyOfEachWhileItIsUsed_AndNoneAfterwards()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "memory is read from /proc");
        var log = Path.GetTempFileName();
        try
        {
            await using var peer = new ProgramPeer();
            var port = ProgramPeer.FreePort();
            using var program = ForeignProgram.Start(
                "openssl", $"s_server -accept 127.0.0.1:{port} -naccept 1 -tls1_3 -alpn h2 -keylogfile {log} -cert {peer.Files.ChainPath} -key {peer.Files.KeyPath} -CAfile {peer.Files.RootsPath} -Verify 3");
            await program.WaitForAsync("ACCEPT");
            await peer.ConnectAsync(port);
            await ProgramPeer.ConverseAsync(program, "hello");
            var (ours, theirs) = (Read(log, "CLIENT_TRAFFIC_SECRET_0"), Read(log, "SERVER_TRAFFIC_SECRET_0"));

            // One copy is ours. OpenSSL may leave another, in memory that it has given back without clearing it and that nobody has used since.
            var (openOurs, openTheirs) = (Count(ours), Count(theirs));
            Assert.InRange(openOurs, 1, 2);
            Assert.InRange(openTheirs, 1, 2);
            Assert.Equal((0, 0), (CountText(ours), CountText(theirs)));

            // Our key changes: the secret before is gone, theirs is still in use.
            await peer.ConverseUnderNewKeysAsync(program);
            var (changedOurs, changedTheirs) = (Count(ours), Count(theirs));
            Assert.InRange(changedOurs, 0, openOurs - 1);
            Assert.InRange(changedTheirs, 1, openTheirs);

            await peer.Transport.DisposeAsync();
            Assert.InRange(Count(ours), 0, changedOurs);
            Assert.InRange(Count(theirs), 0, changedTheirs - 1);
        }
        finally
        {
            File.Delete(log);
        }
    }

    /// <summary>The eight bytes of the IV that the sequence number goes into: of each record's nonce but the first they tell it.</summary>
    [SkippableTheory]
    [InlineData(0x1301)]
    [InlineData(0x1302)]
    public void RecordIv_IsThereWhileItIsUsed_AndGoneWhenTheKeyChangesAndAfterDispose(int id)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "memory is read from /proc");
        var suite = CipherSuite.Of((ushort)id)!;
        Span<byte> secret = stackalloc byte[suite.HashSize];
        RandomNumberGenerator.Fill(secret);
        using var cipher = new RecordCipher(suite, secret, encrypts: true);
        var first = MaskedIv(suite, secret);
        Span<byte> next = stackalloc byte[suite.HashSize];
        suite.Expand(secret, "traffic upd"u8, next);
        var second = MaskedIv(suite, next);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(next);
        SealSome(cipher);

        // Deriving it, and OpenSSL, may leave a copy in memory that was given back and that nobody has used since.
        var open = Count(first);
        Assert.InRange(open, 1, 4);
        var before = Count(second);

        cipher.Update();
        SealSome(cipher);
        Assert.InRange(Count(first), 0, open - 1);
        var changed = Count(second);
        Assert.InRange(changed, before + 1, before + 4);

        cipher.Dispose();
        Assert.InRange(Count(second), 0, changed - 1);
        GC.KeepAlive(cipher);
    }

    /// <summary>What is looked for is found where it is.</summary>
    [SkippableFact]
    public void Count_OfWhatIsThere_IsRight()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "memory is read from /proc");
        var masked = new byte[32];
        Random.Shared.NextBytes(masked);
        var copies = new byte[3][];
        for (var i = 0; i < copies.Length; i++)
        {
            Assert.Equal(i, Count(masked));
            copies[i] = GC.AllocateUninitializedArray<byte>(40, pinned: true);
            for (var at = 0; at < masked.Length; at++)
            {
                copies[i][at + 5] = (byte)(masked[at] ^ Mask);
            }
        }

        GC.KeepAlive(copies);
    }

    private static void SealSome(RecordCipher cipher)
    {
        var record = new byte[RecordCipher.Header + 4 + 1 + RecordCipher.Tag];
        for (var i = 0; i < 3; i++)
        {
            cipher.Seal(RecordPeer.Data, "some"u8, record);
        }
    }

    private static byte[] MaskedIv(CipherSuite suite, ReadOnlySpan<byte> secret)
    {
        Span<byte> iv = stackalloc byte[12];
        suite.Expand(secret, "iv"u8, iv);
        var masked = new byte[8];
        for (var i = 0; i < masked.Length; i++)
        {
            masked[i] = (byte)(iv[i + 4] ^ Mask);
        }

        CryptographicOperations.ZeroMemory(iv);
        return masked;
    }

    /// <summary>A secret of a log of keys (LABEL RANDOM SECRET, in hexadecimal digits), masked.</summary>
    private static byte[] Read(string log, string label)
    {
        using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        Span<byte> one = stackalloc byte[1];
        var masked = new List<byte>(48);
        var (word, matches, at, high) = (0, true, 0, -1);
        while (file.Read(one) == 1)
        {
            switch (one[0])
            {
                case (byte)'\n':
                    if (masked.Count > 0)
                    {
                        return [.. masked];
                    }

                    (word, matches, at) = (0, true, 0);
                    break;
                case (byte)' ':
                    matches &= word > 0 || at == label.Length;
                    word++;
                    break;
                case var letter when word == 0:
                    matches &= at < label.Length && label[at] == letter;
                    at++;
                    break;
                case var digit when word == 2 && matches:
                    var value = digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
                    if (high < 0)
                    {
                        high = value;
                    }
                    else
                    {
                        masked.Add((byte)(((high << 4) | value) ^ Mask));
                        high = -1;
                    }

                    break;
            }
        }

        throw new InvalidOperationException($"{label} is not in the log of keys");
    }

    /// <summary>How often it stands in the memory of this process.</summary>
    private static int Count(byte[] masked) => Count(masked.Length, (i, value) => (value ^ Mask) == masked[i]);

    /// <summary>How often it does in hexadecimal digits.</summary>
    private static int CountText(byte[] masked) => Count(masked.Length * 2, (i, value) =>
    {
        var digit = ((masked[i / 2] ^ Mask) >> (i % 2 == 0 ? 4 : 0)) & 15;
        return digit < 10 ? value == '0' + digit : (value | 0x20) == 'a' + digit - 10;
    });

    private static unsafe int Count(int length, Func<int, byte, bool> isByte)
    {
        const int piece = 1 << 20;
        var first = SearchValues.Create(Enumerable.Range(0, 256).Select(static value => (byte)value).Where(value => isByte(0, value)).ToArray());
        var count = 0;
        var buffer = (byte*)NativeMemory.Alloc(piece);
        using var memory = File.OpenHandle("/proc/self/mem");
        try
        {
            foreach (var line in File.ReadLines("/proc/self/maps").ToArray())
            {
                // Address-address, rights, offset, device, inode, path.
                var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (!parts[1].StartsWith("rw", StringComparison.Ordinal))
                {
                    continue;
                }

                var range = parts[0].Split('-').Select(static part => long.Parse(part, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray();
                for (var from = range[0]; from < range[1] - length; from += piece - length + 1)
                {
                    int got;
                    try
                    {
                        got = RandomAccess.Read(memory, new Span<byte>(buffer, (int)Math.Min(piece, range[1] - from)), from);
                    }
                    catch (IOException)
                    {
                        // Given back meanwhile, or only reserved.
                        continue;
                    }

                    for (var at = 0; at <= got - length; at++)
                    {
                        var next = new ReadOnlySpan<byte>(buffer + at, got - length + 1 - at).IndexOfAny(first);
                        if (next < 0)
                        {
                            break;
                        }

                        at += next;
                        var i = 1;
                        while (i < length && isByte(i, buffer[at + i]))
                        {
                            i++;
                        }

                        // What was read a moment ago is in our own buffer too.
                        if (i == length && (from + at < (long)buffer || from + at >= (long)buffer + piece))
                        {
                            count++;
                        }
                    }
                }
            }
        }
        finally
        {
            new Span<byte>(buffer, piece).Clear();
            NativeMemory.Free(buffer);
        }

        return count;
    }
}
