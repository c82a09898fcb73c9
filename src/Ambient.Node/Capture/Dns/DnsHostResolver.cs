using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Node.Connections;

namespace Ambient.Node.Capture.Dns;

/// <summary>Resolves a name as the workload's own question to its DNS proxy would be: the mesh first, then the name servers, from its network.</summary>
internal sealed class DnsHostResolver(DnsProxy proxy, DnsForwarder forwarder) : IHostResolver
{
    private const int Payload = 1232;

    /// <inheritdoc/>
    public async ValueTask<IPAddress?> ResolveAsync(string name, AddressFamily family, LocalWorkload local, CancellationToken cancellationToken)
    {
        if (Query(name, family) is not { } query)
        {
            return null;
        }

        var answer = await proxy.AnswerAsync(query, local, forwarder, tcp: false, cancellationToken).ConfigureAwait(false);
        if (answer is not null && DnsAnswer.FirstAddress(answer, family) is { } address)
        {
            return address;
        }

        return answer is not null && DnsAnswer.IsTruncated(answer)
            && await proxy.AnswerAsync(query, local, forwarder, tcp: true, cancellationToken).ConfigureAwait(false) is { } whole
                ? DnsAnswer.FirstAddress(whole, family)
                : null;
    }

    /// <summary>The question for an address; null: there can be no such name.</summary>
    private static byte[]? Query(string name, AddressFamily family)
    {
        const int Header = 12;
        const int MostName = 255;
        Span<byte> query = stackalloc byte[Header + MostName + 4 + 11];
        query.Clear();
        query[2] = 1;
        query[5] = 1;
        query[11] = 1;
        var at = Header;
        foreach (var label in name.AsSpan().TrimEnd('.').Split('.'))
        {
            var text = name.AsSpan()[label];
            if (text.Length is 0 or > 63 || at + text.Length + 2 > Header + MostName)
            {
                return null;
            }

            query[at++] = (byte)text.Length;
            at += Encoding.ASCII.GetBytes(text, query[at..]);
        }

        at++;
        BinaryPrimitives.WriteUInt16BigEndian(query[at..], (ushort)(family == AddressFamily.InterNetwork ? 1 : 28));
        BinaryPrimitives.WriteUInt16BigEndian(query[(at + 2)..], 1);
        BinaryPrimitives.WriteUInt16BigEndian(query[(at + 5)..], 41);
        BinaryPrimitives.WriteUInt16BigEndian(query[(at + 7)..], Payload);
        return query[..(at + 15)].ToArray();
    }
}
