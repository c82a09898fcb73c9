using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Ambient.Node.Lifetime;

/// <summary>
/// Gives back resident pages of the program and its libraries. A start runs through code and tables that are never needed again,
/// and the kernel maps sixteen pages around each one that is touched: two thirds of a small host's resident memory. Only pages
/// that are identical with their file are given back; what is needed again comes back from the page cache within a microsecond a page.
/// </summary>
internal static partial class FilePages
{
    private const int DontNeed = 4;
    private const ulong Present = 1UL << 63;
    private const ulong OfFile = 1UL << 61;
    private const int Entry = sizeof(ulong);

    /// <summary>Gives back what can be. Returns the number of bytes; 0 where the system does not say what is safe.</summary>
    public static long Release()
    {
        if (!OperatingSystem.IsLinux())
        {
            return 0;
        }

        try
        {
            // All are found before the first is given back: the code that finds them would be back otherwise, a megabyte of pages.
            List<(ulong Start, ulong Length)> found = [];
            using (var pagemap = File.OpenHandle("/proc/self/pagemap"))
            {
                foreach (var line in File.ReadAllLines("/proc/self/maps"))
                {
                    if (TryParse(line, out var from, out var to))
                    {
                        Find(pagemap, from, to, found);
                    }
                }
            }

            var released = 0L;
            foreach (var (start, length) in CollectionsMarshal.AsSpan(found))
            {
                released += Advise((nint)start, (nuint)length, DontNeed) == 0 ? (long)length : 0;
            }

            return released;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Hardened kernels and sandboxes hide these files. Then the pages stay.
            return 0;
        }
    }

    /// <summary>Reads a line of <c>/proc/self/maps</c>; true for a private mapping of a file that nothing can write to.</summary>
    internal static bool TryParse(ReadOnlySpan<char> line, out ulong from, out ulong to)
    {
        from = to = 0;
        Span<Range> parts = stackalloc Range[6];
        if (line.Split(parts, ' ', StringSplitOptions.RemoveEmptyEntries) < 6
            || line[parts[1]] is not ("r-xp" or "r--p")
            || !line[parts[5]].StartsWith("/"))
        {
            return false;
        }

        var addresses = line[parts[0]];
        var dash = addresses.IndexOf('-');
        return dash > 0
            && ulong.TryParse(addresses[..dash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out from)
            && ulong.TryParse(addresses[(dash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out to);
    }

    /// <summary>Adds the runs of pages of a mapping that can be given back.</summary>
    private static void Find(Microsoft.Win32.SafeHandles.SafeFileHandle pagemap, ulong from, ulong to, List<(ulong Start, ulong Length)> found)
    {
        var page = (ulong)Environment.SystemPageSize;
        Span<byte> entries = stackalloc byte[512 * Entry];
        var (runStart, runLength) = (0UL, 0UL);
        for (var address = from; address < to;)
        {
            var wanted = (int)Math.Min(512, (to - address) / page);
            var read = RandomAccess.Read(pagemap, entries[..(wanted * Entry)], (long)(address / page * Entry)) / Entry;
            if (read == 0)
            {
                break;
            }

            for (var i = 0; i < read; i++, address += page)
            {
                // A page that was written to (relocated, patched) is a private copy, and would be lost.
                var entry = BinaryPrimitives.ReadUInt64LittleEndian(entries[(i * Entry)..]);
                if ((entry & (Present | OfFile)) == (Present | OfFile))
                {
                    runStart = runLength == 0 ? address : runStart;
                    runLength += page;
                    continue;
                }

                Add(found, runStart, runLength);
                runLength = 0;
            }
        }

        Add(found, runStart, runLength);
    }

    private static void Add(List<(ulong Start, ulong Length)> found, ulong start, ulong length)
    {
        if (length > 0)
        {
            found.Add((start, length));
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint length, int advice);
}
